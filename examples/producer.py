"""Create a task for each line of standard input: `python examples/producer.py < orders.txt`.

Run it again after a failure: for a day, a line has the same Idempotency-Key, so no task is created twice.
It needs httpx, and TASKPULSE_URL and TASKPULSE_KEY (scope write) in the environment.
"""

import os
import random
import sys
import time
import uuid
from typing import Any

import httpx

NAMESPACE = uuid.UUID("b4f1c9f0-52a6-4a0e-9d52-6f6f2a4f9d11")
"""Make one of your own with `uuid.uuid4()`, so that two producers never have the same keys."""
TRY_AGAIN = {408, 409, 429}
"""A 409 means that the first request with the same Idempotency-Key still runs."""


def post(client: httpx.Client, path: str, body: dict[str, Any], headers: dict[str, str]) -> httpx.Response:
    """Call until there is an answer that would stay the same; the pauses between grow."""
    pause_s = 0.5
    while True:
        try:
            response = client.post(path, json=body, headers=headers)
            if response.status_code not in TRY_AGAIN and response.status_code < 500:
                return response
            reason, asked_s = str(response.status_code), float(response.headers.get("Retry-After", 0))
        except httpx.TransportError as error:
            reason, asked_s = repr(error), 0.0
        print(f"{client.base_url}: {reason}; trying again", file=sys.stderr, flush=True)
        time.sleep(max(pause_s, asked_s) * random.uniform(1, 1.2))
        pause_s = min(pause_s * 2, 10)


def main() -> None:
    """Create the tasks, and print the id of each."""
    key = os.environ["TASKPULSE_KEY"]
    with httpx.Client(
        base_url=f"{os.environ['TASKPULSE_URL']}/v1", headers={"Authorization": f"Bearer {key}"}
    ) as client:
        for order in filter(None, map(str.strip, sys.stdin)):
            task = {"title": f"Print order {order}"[:200], "labels": ["print"], "payload": {"order": order}}
            response = post(client, "/tasks", task, {"Idempotency-Key": str(uuid.uuid5(NAMESPACE, order))})
            if response.is_error:
                sys.exit(f"{response.url} answers {response.status_code}: {response.text}")
            print(response.json()["id"], flush=True)


main()
