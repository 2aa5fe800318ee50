"""Our own rules for manifests: what a schema cannot say and the API server would let pass.

A rule is a function that yields a sentence for each violation it finds, and has the name it is registered under.
For each there is tests/manifests/invalid/<name>.yaml, which it and no other refuses.
"""

from collections.abc import Iterable

from delivery.errors import DeliveryError
from delivery.manifests import Render
from delivery.policy import availability, exposure, network, pod_security, probes, references, secrets
from delivery.policy.rule import Finding, Rule
from delivery.settings import Settings

RULES: dict[str, Rule] = {
    rule.name: rule
    for module in (references, secrets, pod_security, probes, availability, network, exposure)
    for rule in module.RULES
}


def judge(render: Render, names: Iterable[str] = tuple(RULES)) -> list[Finding]:
    """Every violation of some rules, or of any, in a render."""
    rules = [RULES[name] for name in names]
    return [Finding(rule.name, sentence) for rule in rules for sentence in rule.violations(render)]


def chosen(settings: Settings) -> list[str]:
    """Names of the rules that a repository wants to be judged by.

    Raises:
        DeliveryError: there is no such rule.
    """
    if settings.every_rule:
        return list(RULES)
    if unknown := [name for name in settings.rules if name not in RULES]:
        raise DeliveryError(f"There is no rule {', '.join(unknown)}: choose from {', '.join(sorted(RULES))}.")
    return list(settings.rules)
