"""Our own rules for manifests: what a schema cannot say and the API server would let pass.

A rule is a function that yields a sentence for each violation it finds, and has the name it is registered under.
For each there is tests/manifests/invalid/<name>.yaml, which it and no other refuses.
"""

from delivery.manifests import Render
from delivery.policy import availability, exposure, network, pod_security, probes, references, secrets
from delivery.policy.rule import Finding, Rule

RULES: dict[str, Rule] = {
    rule.name: rule
    for module in (references, secrets, pod_security, probes, availability, network, exposure)
    for rule in module.RULES
}


def judge(render: Render) -> list[Finding]:
    """Every violation of any rule in a render."""
    return [Finding(rule.name, sentence) for rule in RULES.values() for sentence in rule.violations(render)]
