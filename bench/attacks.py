"""What one client does to take the service down: `python -m bench.attacks NAME PORT KEY SECONDS`, on loopback only.

Each attack goes on for SECONDS, or until it has nothing left to do, and prints what it saw.
"""

import asyncio
import contextlib
import json
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass
class Target:
    """The service, and until when to attack it."""

    port: int
    key: str
    until: float

    async def connect(self, *, receive_buffer: int | None = None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect; a small receive buffer makes a peer that does not read felt sooner."""
        connection = socket.socket()
        connection.setblocking(False)
        if receive_buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", self.port))
        return await asyncio.open_connection(sock=connection, limit=4096 if receive_buffer else 65536)

    def head(self, method: str, path: str, *fields: str, key: str | None = None) -> bytes:
        """Return a request without a body."""
        lines = [f"{method} {path} HTTP/1.1", "Host: test", f"Authorization: Bearer {key or self.key}", *fields]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def post(self, path: str, body: bytes, *fields: str) -> bytes:
        """Return a request with JSON."""
        fields = ("Content-Type: application/json", f"Content-Length: {len(body)}", *fields)
        return self.head("POST", path, *fields) + body

    @property
    def left_s(self) -> float:
        """Seconds left."""
        return max(0.0, self.until - time.monotonic())


seen: Counter[str] = Counter()


async def status(reader: asyncio.StreamReader) -> str:
    """Read an answer's status and, where it has one, its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length: "):
            await reader.readexactly(int(line[16:]))
    return head[9:12].decode()


async def _hold(target: Target, request: bytes, *, reads: bool, receive_buffer: int | None = None) -> None:
    """Send a request on a connection of its own, and hold it for as long as the service does; again if it is closed."""
    while target.left_s:
        writer = None
        try:
            reader, writer = await target.connect(receive_buffer=receive_buffer)
            writer.write(request)
            await writer.drain()
            if not reads:
                await asyncio.sleep(target.left_s)
            answer = await status(reader)
            seen[answer] += 1
            while answer == "200" and await reader.read(65536):
                pass
            if answer == "429":
                await asyncio.sleep(1)
        except (OSError, asyncio.IncompleteReadError):
            seen["closed"] += 1
            await asyncio.sleep(0.2)
        finally:
            if writer is not None:
                writer.transport.abort()


async def _many(target: Target, number: int, work: Callable[[int], Awaitable[None]]) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(target.left_s):
            await asyncio.gather(*(work(index) for index in range(number)))


async def exports(target: Target) -> None:
    """40 exports of large tasks, never read."""
    request = target.head("GET", "/v1/tasks?label=large", "Accept: application/x-ndjson")
    await _many(target, 40, lambda _: _hold(target, request, reads=False, receive_buffer=4096))


async def pages(target: Target) -> None:
    """40 pages of large tasks, never read."""
    request = target.head("GET", "/v1/tasks?label=large&limit=200")
    await _many(target, 40, lambda _: _hold(target, request, reads=False, receive_buffer=4096))


async def long_polls(target: Target) -> None:
    """1,000 claims that wait, each for a label of its own, while 20 tasks a second are created."""

    def claim(index: int) -> bytes:
        body = json.dumps({"worker": "w", "ttl_s": 60, "labels": [f"nothing-{index}"]}).encode()
        return target.post("/v1/tasks/claim", body, "Prefer: wait=30")

    async def work(index: int) -> None:
        if index:
            await _hold(target, claim(index), reads=True)
        while target.left_s:
            await _once(target, target.post("/v1/tasks", b'{"title": "new"}', "Connection: close"))
            await asyncio.sleep(0.05)

    await _many(target, 1001, work)


async def searches(target: Target) -> None:
    """120 at once of a full-text search that no index serves."""
    request = target.head("GET", "/v1/tasks?q=-zzz&count=true&sort=priority", "Connection: close")
    await _many(target, 120, lambda _: _repeat(target, request))


async def streams(target: Target) -> None:
    """1,000 event streams."""
    request = target.head("GET", "/v1/events")
    await _many(target, 1000, lambda _: _hold(target, request, reads=True))


async def bodies(target: Target) -> None:
    """30 batches of 7 MiB whose last byte never comes."""
    request = target.post("/v1/tasks/batch", b'{"tasks":[{"title":"' + b"x" * (7 * MIB))[:-1]
    await _many(target, 30, lambda _: _hold(target, request, reads=False))


async def json_names(target: Target) -> None:
    """1 MiB of JSON with 90,000 unknown fields, with 150,000 times one name, and a batch of 7 MiB of small values."""
    unknown = b'{"title":"x",' + b",".join(b'"%05d":1' % number for number in range(90_000)) + b"}"
    twice = b'{"title":"x","payload":{' + b",".join([b'"":1'] * 150_000) + b"}}"
    deep = b'{"title":"x","payload":{"a":[' + b",".join([b"[" * 90 + b"]" * 90] * 5_000) + b'],"b":"\\ud83d\\ude00"}}'
    values = b'{"title":"x","payload":{"a":[' + b",".join([b"1"] * 3_600) + b"]}}"
    batch = b'{"tasks":[' + b",".join([values] * 990) + b',{"title":"x","title":"x"}]}'
    requests = [
        target.post("/v1/tasks", unknown),
        target.post("/v1/tasks", twice),
        target.post("/v1/tasks", deep),
        target.post("/v1/tasks/batch", batch),
    ]
    await _many(target, 4, lambda index: _repeat(target, requests[index]))


async def unknown_keys(target: Target) -> None:
    """400 connections, each request with another well-formed key that nobody has."""
    numbers = iter(range(10**9))

    async def work(_: int) -> None:
        reader, writer = await target.connect()
        while target.left_s:
            writer.write(target.head("GET", "/v1/tasks", key=f"tp_{next(numbers):012x}_{'0' * 64}"))
            seen[await status(reader)] += 1

    await _many(target, 400, work)


async def large_heads(target: Target) -> None:
    """Heads of 2 MiB in 420,000 lines, and of 64 MiB in one."""
    lines = b"GET / HTTP/1.1\r\nHost: test\r\n" + b"a:b\r\n" * 420_000 + b"\r\n"
    field = b"GET / HTTP/1.1\r\nHost: test\r\na:" + b"x" * (64 * MIB)
    await _many(target, 4, lambda index: _repeat(target, field if index else lines))


async def half_heads(target: Target) -> None:
    """3,000 heads that never end."""
    request = b"GET /health/live HTTP/1.1\r\nHost: test\r\nX-More: "
    await _many(target, 3000, lambda _: _hold(target, request, reads=True))


async def resets(target: Target) -> None:
    """Connections that are reset after their answer: uvicorn keeps them for as long as an idle one."""
    request = target.head("GET", "/health/live")
    await _many(target, 8, lambda _: _repeat(target, request, reset=True))


async def pipelines(target: Target) -> None:
    """200 connections with a thousand requests each, behind one that waits."""
    body = b'{"worker":"w","ttl_s":60,"labels":["nothing"]}'
    waits = target.post("/v1/tasks/claim", body, "Prefer: wait=30")
    behind = b"GET / HTTP/1.1\r\nHost: t\r\n\r\n" * 1000
    await _many(target, 200, lambda _: _hold(target, waits + behind, reads=False))


async def upgrades(target: Target) -> None:
    """A request for an upgrade whose body, in a segment of its own, is itself a request."""
    inner = b"GET /health/live HTTP/1.1\r\nHost: test\r\n\r\n"
    for protocol in ("websocket", "h2c"):
        reader, writer = await target.connect()
        fields = ("Connection: upgrade", f"Upgrade: {protocol}", f"Content-Length: {len(inner)}")
        writer.write(target.head("POST", "/health/live", *fields))
        await asyncio.sleep(0.5)
        writer.write(inner)
        await asyncio.sleep(0.5)
        writer.write_eof()
        seen[f"{protocol}: {(await reader.read()).count(b'HTTP/1.1 ')} answer"] += 1


async def assets(target: Target) -> None:
    """Names of files that no file has."""
    for name in ("%00", "x" * 300, "%FF", "..%2F..%2Fx"):
        await _once(target, target.head("GET", f"/docs/assets/{name}", "Connection: close"))


async def _calls(target: Target, number: int, request: bytes) -> None:
    """Send the same request again and again on so many connections."""

    async def work(_: int) -> None:
        while target.left_s:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                reader, writer = await target.connect()
                while target.left_s:
                    writer.write(request)
                    seen[await status(reader)] += 1

    await _many(target, number, work)


async def creates(target: Target) -> None:
    """3,000 connections that create a task, and then the next one."""
    await _calls(target, 3000, target.post("/v1/tasks", b'{"title":"new"}'))


async def claims(target: Target) -> None:
    """500 connections that claim, and do not wait, for a label that no task has."""
    await _calls(target, 500, target.post("/v1/tasks/claim", b'{"worker":"w","ttl_s":60,"labels":["nothing"]}'))


async def same_key(target: Target) -> None:
    """500 connections whose calls wait for each other, as all have the same Idempotency-Key."""
    claim = target.post("/v1/tasks/claim", b'{"worker":"w","ttl_s":60,"labels":["nothing"]}', "Idempotency-Key: one")
    await _calls(target, 500, claim)


async def batches(target: Target) -> None:
    """50 connections that create 1,000 tasks at a time."""
    body = b'{"tasks":[' + b",".join([b'{"title":"x"}'] * 1000) + b"]}"
    await _calls(target, 50, target.post("/v1/tasks/batch", body))


async def scrapes(target: Target) -> None:
    """200 connections that read /metrics."""
    await _calls(target, 200, target.head("GET", "/metrics"))


async def scripts(target: Target) -> None:
    """300 connections that get the largest file there is, 1.6 MB, and do not read it."""
    request = target.head("GET", "/docs/assets/swagger-ui-bundle.js")
    await _many(target, 300, lambda _: _hold(target, request, reads=False, receive_buffer=4096))


async def nothing_there(target: Target) -> None:
    """500 connections that ask for a path that does not exist."""
    await _calls(target, 500, target.head("GET", "/nothing"))


async def _once(target: Target, request: bytes, *, reset: bool = False) -> None:
    try:
        reader, writer = await target.connect()
        if reset:
            connection = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.write(request)
        seen[await status(reader)] += 1
        writer.transport.abort()
    except (OSError, asyncio.IncompleteReadError):
        seen["closed"] += 1
        await asyncio.sleep(0.05)


async def _repeat(target: Target, request: bytes, *, reset: bool = False) -> None:
    while target.left_s:
        await _once(target, request, reset=reset)


ATTACKS = {
    attack.__name__: attack
    for attack in (
        exports,
        pages,
        long_polls,
        searches,
        streams,
        bodies,
        json_names,
        unknown_keys,
        large_heads,
        half_heads,
        resets,
        pipelines,
        upgrades,
        assets,
        creates,
        claims,
        same_key,
        batches,
        scrapes,
        scripts,
        nothing_there,
    )
}


def main() -> None:
    """Run one attack, or all at once."""
    name, port, key, seconds = sys.argv[1:]
    target = Target(int(port), key, time.monotonic() + float(seconds))

    async def run() -> None:
        await asyncio.gather(*(ATTACKS[part](target) for part in name.split(",")), return_exceptions=True)

    asyncio.run(run())
    print(", ".join(f"{number} {what}" for what, number in seen.most_common(4)))


if __name__ == "__main__":
    main()
