"""Secrets in the cluster: those that pods need besides what is given, and what applying the given ones changes."""

from delivery.deploy.plan import CHANGE, CREATE, NOTHING, Action
from delivery.deploy.release import Key
from delivery.manifests import Object
from delivery.secrets import needed_by
from delivery.tools import kubectl


def with_live(objects: list[Object], given: list[Object], namespace: str) -> list[Object]:
    """The Secrets `given` for a namespace, and from the cluster those that pods need besides."""
    own = [each for each in given if each["metadata"]["namespace"] == namespace]
    unknown = sorted(needed_by(objects).keys() - {each["metadata"]["name"] for each in own})
    return [*own, *(kubectl.get("secrets", *unknown, f"--namespace={namespace}") if unknown else [])]


def missing_secrets(objects: list[Object], secrets: list[Object], namespace: str) -> list[str]:
    """Sentences, one for each key of a Secret that pods need and that is not in `secrets`."""
    needed = needed_by(objects)
    have = {each["metadata"]["name"]: set(each.get("data") or {}) for each in secrets}
    return [
        f"Pods need {', '.join(sorted(lacking))} of Secret {name}, which {namespace} does not have:"
        " give its values with --secrets, or make it by hand."
        for name, keys in sorted(needed.items())
        if (
            lacking := {
                key for key in keys if key not in have.get(name, set()) and (key != "(all)" or name not in have)
            }
        )
    ]


def changes(secrets: list[Object]) -> list[Action]:
    """What applying `secrets` would do: which keys change, never to what."""
    stubs = kubectl.as_yaml(map(kubectl.stub, secrets))
    live = {Key.of(each): each for each in kubectl.get("--filename=-", stdin=stubs)} if secrets else {}
    actions = []
    for each in secrets:
        there = live.get(Key.of(each))
        before = (there.get("data") or {}) if there else {}
        keys = [key for key, value in each["data"].items() if before.get(key) != value]
        what = CREATE if there is None else CHANGE if keys else NOTHING
        reason = f"{', '.join(keys)} from --secrets" if keys else ""
        actions.append(Action(what, Key.of(each), reason, [f"data.{key}" for key in keys if there]))
    return actions
