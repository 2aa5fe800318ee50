"""Active TaskPulse alerts of a namespace, as Prometheus knows them, through the API server's proxy."""

import json

from delivery.chart import NAMESPACE, RELEASE
from delivery.deploy import smoke
from delivery.errors import DeliveryError

PATH = f"/api/v1/namespaces/{NAMESPACE}/services/{RELEASE}-prometheus:9090/proxy/api/v1/alerts"
PREFIX = "TaskPulse"
FIRING = "firing"


class NoPrometheusError(DeliveryError):
    """Prometheus does not answer, so nobody can tell."""


def active(namespace: str) -> dict[str, str]:
    """State of each alert on the namespace by name: `pending` or `firing`.

    Raises:
        NoPrometheusError: Prometheus is not there, or does not answer as it must.
    """
    text, wrong = smoke.read(PATH)
    if wrong:
        raise NoPrometheusError(wrong.rstrip("."))
    states: dict[str, str] = {}
    try:
        for alert in json.loads(text)["data"]["alerts"]:
            name, state = alert["labels"]["alertname"], alert["state"]
            if name.startswith(PREFIX) and alert["labels"].get("namespace", namespace) == namespace:
                states[name] = FIRING if FIRING in {state, states.get(name)} else state
    except (ValueError, KeyError, TypeError, AttributeError):
        raise NoPrometheusError("its answer is no list of alerts") from None
    return states
