"""Work on tasks with the label `print` until SIGTERM. Needs httpx, TASKPULSE_URL and TASKPULSE_KEY (scope work)."""

import asyncio
import os
import random
import signal
import sys
import uuid
from typing import Any

import httpx

CLAIM = {"worker": f"printer-{os.getpid()}", "ttl_s": int(os.environ.get("TTL_S", "60")), "labels": ["print"]}
STOP = asyncio.Event()


async def do_work(payload: dict[str, Any]) -> dict[str, Any]:
    """Put your work here. It may run twice; call blocking code by `asyncio.to_thread`."""
    await asyncio.sleep(payload.get("seconds", 0))
    return {"printed": payload["order"]}


async def post(client: httpx.AsyncClient, path: str, body: dict[str, Any], **headers: str) -> httpx.Response:
    """Call until there is an answer that would stay the same; the pauses between grow."""
    pause_s = 0.5
    while True:
        try:
            response = await client.post(path, json=body, headers=headers)
            if response.status_code not in (408, 429) and response.status_code < 500:
                return response
            reason, asked_s = str(response.status_code), float(response.headers.get("Retry-After", 0))
        except httpx.TransportError as error:
            reason, asked_s = repr(error), 0.0
        print(f"{client.base_url}: {reason}; trying again", file=sys.stderr, flush=True)
        await asyncio.sleep(max(pause_s, asked_s) * random.uniform(1, 1.2))
        if STOP.is_set() and path == "/tasks/claim":
            sys.exit(0)  # nothing is held, so nothing is left to report
        pause_s = min(pause_s * 2, 10)


async def send_heartbeats(client: httpx.AsyncClient, task: str, lease: dict[str, Any], work: asyncio.Task[Any]) -> None:
    """Keep the lease; stop the work when the task is cancelled, or another worker has it."""
    while not work.cancelled():
        await asyncio.sleep(lease["pulse_every_s"])
        response = await post(client, f"{task}/pulse", {"token": lease["token"]})
        if response.status_code == 409 or (response.is_success and response.json()["cancel_requested"]):
            work.cancel()


async def handle(client: httpx.AsyncClient, task: str, payload: dict[str, Any], lease: dict[str, Any]) -> None:
    """Do one task, and report how it ended."""
    work = asyncio.create_task(do_work(payload))
    heartbeats = asyncio.create_task(send_heartbeats(client, task, lease, work))
    await asyncio.wait({work})
    heartbeats.cancel()
    error = "stopped" if work.cancelled() else work.exception()
    call, end = ("fail", {"error": repr(error)}) if error else ("complete", {"result": work.result()})
    print(task, call, (await post(client, f"{task}/{call}", {"token": lease["token"], **end})).status_code, flush=True)


async def main() -> None:
    """Claim and do tasks. After SIGTERM, finish the one at hand; a claim that waits ends within 20 seconds."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, STOP.set)
    headers = {"Authorization": f"Bearer {os.environ['TASKPULSE_KEY']}"}
    async with httpx.AsyncClient(base_url=f"{os.environ['TASKPULSE_URL']}/v1", headers=headers, timeout=30) as client:
        while not STOP.is_set():
            once = {"Prefer": "wait=20", "Idempotency-Key": str(uuid.uuid4())}  # a lost answer comes again
            response = await post(client, "/tasks/claim", CLAIM, **once)
            if response.is_error:
                sys.exit(f"{response.url} answers {response.status_code}: {response.text}")
            for item in response.json()["items"] if response.status_code == 200 else []:
                task, lease = f"/tasks/{item['task']['id']}", item["lease"]
                if STOP.is_set():
                    await post(client, f"{task}/release", {"token": lease["token"]})
                else:
                    await handle(client, task, item["task"]["payload"], lease)


asyncio.run(main())
