"""Secrets in the cluster: those that pods need besides what is given, and what applying the given ones changes."""

from delivery.deploy.additions import added_to_secret
from delivery.deploy.ownership import applied_by_us, refusal, set_by
from delivery.deploy.plan import ADOPT, CHANGE, CREATE, NOTHING, PUT_BACK, RECREATE, REFUSE, Action, who_changed
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


def changes(secrets: list[Object], overlay: str) -> list[Action]:
    """What applying `secrets` for `overlay` would do: which keys change, never to what."""
    live = {Key.of(each): each for each in kubectl.find(secrets, "--show-managed-fields")}
    return [change(each, live.get(Key.of(each)), overlay) for each in secrets]


def change(each: Object, live: Object | None, overlay: str) -> Action:
    key = Key.of(each)
    before = (live.get("data") or {}) if live else {}
    keys = [name for name, value in each["data"].items() if before.get(name) != value]
    reason = f"{', '.join(keys)} from --secrets" if keys else ""
    if live is None:
        return Action(CREATE, key, reason)
    addition = added_to_secret(live, each)
    fields = [f"data.{name}" for name in keys]
    if not applied_by_us(live):
        return adopt(each, live, overlay, fields, addition.fields)
    if addition.fields:
        reason = "; ".join(filter(None, [reason, who_changed(live, addition, alone=True)]))
    what = CHANGE if keys else PUT_BACK if addition.fields else NOTHING
    if live.get("immutable") and what != NOTHING:
        return Action(RECREATE, key, f"it was made immutable; {reason}", fields, addition.fields)
    return Action(what, key, reason, fields, addition.fields, take_over=bool(addition.fields))


def adopt(each: Object, live: Object, overlay: str, fields: list[str], foreign: list[str]) -> Action:
    """What becomes of a Secret that others made. Its values are kept nowhere, so it is never given back."""
    key = Key.of(each)
    if reason := refusal(live, overlay):
        return Action(REFUSE, key, reason, [*fields, *foreign])
    if live.get("immutable"):
        return Action(REFUSE, key, "it was not made by a deploy, and is immutable: delete it first")
    if live.get("type") != each.get("type", "Opaque"):
        return Action(REFUSE, key, f"it was not made by a deploy, and is of type {live['type']}: delete it first")
    return Action(ADOPT, key, set_by(live), fields, foreign, take_over=True)
