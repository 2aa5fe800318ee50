"""A message to Slack about a deploy that failed, was put back, or is good again: where the alerts go, and as they do.

The webhook and the channel are those of the release's AlertmanagerConfig.
Source: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
"""

import base64
import json
import os
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from delivery.deploy.plan import Action
from delivery.deploy.release import GOOD, Record, Release
from delivery.deploy.state import Deploy
from delivery.manifests import Object
from delivery.tools import kubectl

TIMEOUT_S = 10
TRIES = 3
PAUSE_S = 1
REASON = 1500
"""Characters of the reason that a message has; the run has all."""
SHOWN = 10
"""Objects that a message names."""
ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class Message(NamedTuple):
    """A message, with the colour of its bar in Slack."""

    color: str
    title: str
    text: str


class Receiver(NamedTuple):
    """A channel, and the key of the Secret in which its webhook is."""

    channel: str
    secret: str
    key: str


def tell_end(deploy: Deploy, heading: str, reason: str) -> None:
    """Send what a deploy came to, where people must know."""
    if message := message_of(deploy, heading, reason):
        tell(deploy.release, message, deploy.secrets, deploy.report.detail)


def tell(release: Release, message: Message, secrets: list[Object], say: Callable[[str], None]) -> None:
    """Send a message where the alerts of a release go; what cannot be sent is only said.

    Args:
        secrets: Secrets to read the webhook from; the cluster has it where they have not.
    """
    for receiver in receivers(release):
        failure = send(receiver, message, release.namespace, secrets)
        told = f"cannot be told in {receiver.channel}: {failure}" if failure else f"is told in {receiver.channel}"
        say(f"This {told}")


def message_of(deploy: Deploy, heading: str, reason: str) -> Message | None:
    """The message about the end of a deploy; None where nobody has to know, as of a refusal."""
    if deploy.record is None:
        return None
    number, what = deploy.record.number, heading.translate(ESCAPED)
    if deploy.outcome == "deployed":
        if not had_trouble(deploy.past):
            return None
        return Message("good", f"RECOVERED · {what}", f"Release {number} is good.\n{about(deploy.release)}")
    if deploy.outcome not in {"failed", "rolled back", "unfinished"}:
        return None
    why = reason[:REASON].translate(ESCAPED)
    if deploy.outcome == "rolled back":
        runs = "The last good release runs again."
        return Message("warning", f"PUT BACK · {what}", f"{why}\n{runs}\n{about(deploy.release)}")
    runs = "Nothing was put back." if deploy.outcome == "failed" else "It did not finish: run it again."
    return Message("danger", f"FAILED · {what}", f"{why}\n{runs}\n{about(deploy.release)}")


def drift_message(overlay: str, drifted: list[Action]) -> Message:
    """The message about objects that somebody changed by hand."""
    lines = [f"{action.key}: {action.reason}".translate(ESCAPED) for action in drifted[:SHOWN]]
    more = [f"and {len(drifted) - SHOWN} more"] if len(drifted) > SHOWN else []
    ends = "The next deploy undoes it."
    link = run_url()
    text = "\n".join([*lines, *more, f"{ends} <{link}|What to see>" if link else ends])
    return Message("warning", f"CHANGED BY HAND · {overlay}", text)


def had_trouble(past: list[Record]) -> bool:
    """Whether the deploy before did not end well."""
    return bool(past) and past[-1].state != GOOD


def about(release: Release) -> str:
    """Which release it is, and where the run is."""
    facts = f"Commit {release.commit[:12]} in namespace {release.namespace}."
    link = run_url()
    return f"{facts} <{link}|What to see>" if link else facts


def run_url() -> str:
    """Address of the run of GitHub Actions; "" elsewhere."""
    parts = [os.environ.get(f"GITHUB_{name}") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID")]
    return "{}/{}/actions/runs/{}".format(*parts) if all(parts) else ""


def receivers(release: Release) -> Iterator[Receiver]:
    """The Slack channels of the release's alerts, each once."""
    seen = set()
    for each in release.objects:
        if each["kind"] != "AlertmanagerConfig":
            continue
        for receiver in each["spec"].get("receivers", []):
            for slack in receiver.get("slackConfigs", []):
                found = Receiver(slack["channel"], slack["apiURL"]["name"], slack["apiURL"]["key"])
                if found not in seen:
                    seen.add(found)
                    yield found


def send(receiver: Receiver, message: Message, namespace: str, secrets: list[Object]) -> str:
    """Send a message, and return why that failed; "" where it did not. The address is a secret, so no reason has it."""
    url = webhook(receiver, namespace, secrets)
    if not url:
        return f"Secret {receiver.secret} has no {receiver.key}"
    attachment = {"color": message.color, "title": message.title, "title_link": run_url(), "text": message.text}
    body = {"channel": receiver.channel, "attachments": [attachment | {"fallback": message.title}]}
    return post(url, body)


def post(url: str, body: Object, sleep: Callable[[float], None] = time.sleep) -> str:
    """Post JSON, again where that may help, and return why it failed; "" where it did not."""
    import httpx

    why = ""
    for tried in range(TRIES):
        if tried:
            sleep(PAUSE_S)
        try:
            answer = httpx.post(url, json=body, timeout=TIMEOUT_S)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            why = type(error).__name__
            continue
        if answer.is_success:
            return ""
        why = f"Slack answers {answer.status_code}"
        if answer.status_code != httpx.codes.TOO_MANY_REQUESTS and not answer.is_server_error:
            break
    return why


def webhook(receiver: Receiver, namespace: str, secrets: list[Object]) -> str:
    """The webhook's address: from `secrets`, or from the cluster; "" where neither has it."""
    for each in secrets:
        metadata = each["metadata"]
        if (metadata["name"], metadata["namespace"]) == (receiver.secret, namespace):
            return value(each, receiver.key)
    arguments = ("get", "secret", receiver.secret, f"--namespace={namespace}", "--output=json")
    result = kubectl.once(*arguments)
    return value(json.loads(result.stdout), receiver.key) if result.returncode == 0 else ""


def value(secret: Object, key: str) -> str:
    encoded = (secret.get("data") or {}).get(key, "")
    return base64.b64decode(encoded).decode(errors="replace").strip()
