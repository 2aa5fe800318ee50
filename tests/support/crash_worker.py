"""A worker to be killed: claims tasks over HTTP, writes each with its fence to a sink, and completes it.

Arguments: port, key, connection string of the sink. Ends when nothing is left to claim.
"""

import http.client
import json
import random
import sys
import time
from typing import Any

import psycopg

TTL_S = 10
WRITE = """
with written as (
    insert into sink (task_id, fence) values (%(task_id)s, %(fence)s)
    on conflict (task_id) do update set fence = excluded.fence where sink.fence < excluded.fence
    returning 1
)
insert into attempts_to_write (task_id, fence, accepted)
values (%(task_id)s, %(fence)s, exists (select from written))
"""


def main(port: int, key: str, sink: str) -> None:
    """Work until nothing is left."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=40)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def call(path: str, body: dict[str, Any], **more: str) -> tuple[int, Any]:
        connection.request("POST", f"/v1/tasks/{path}", json.dumps(body), headers | more)
        response = connection.getresponse()
        text = response.read()
        return response.status, json.loads(text) if text else None

    with psycopg.connect(sink, autocommit=True) as database:
        while True:
            claim = {"worker": "crash", "ttl_s": TTL_S, "limit": random.randint(1, 10)}
            status, answer = call("claim", claim, Prefer="wait=5")
            if status == 204:
                return
            assert status == 200, answer
            for item in answer["items"]:
                if random.random() < 0.0005:
                    time.sleep(TTL_S * 1.2)  # a pause, after which others may have the task
                task_id, lease = item["task"]["id"], item["lease"]
                database.execute(WRITE, {"task_id": task_id, "fence": lease["fence"]})
                status, answer = call(f"{task_id}/complete", {"token": lease["token"]})
                assert status == 200 or (status == 409 and answer["type"].endswith(("lease-lost", "task-finished")))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
