"""A proxy before the service that does on demand what networks and gateways do to a call."""

import asyncio
import contextlib
import re
import ssl
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Literal, Self

How = Literal["answer", "replace", "cut", "lose", "half", "hang", "withhold", "slow", "hold"]


@dataclass
class Fault:
    """What happens to the next calls whose request line matches `path`."""

    path: str
    """A regular expression that is searched in, say, `POST /v1/tasks/claim`."""
    how: How
    """answer: `answer` comes, and the service never sees the call.
    replace: the service handles the call, and `answer` comes instead of its answer.
    cut: the connection ends before the service sees the call.
    lose: the service handles the call, and the connection ends instead of its answer.
    half: half of the service's answer comes.
    hang: the service never sees the call, and nothing comes for as long as the client waits.
    withhold: the service handles the call, and nothing comes for as long as the client waits.
    slow: the service sees the call `delay_s` seconds later.
    hold: the service sees the call once `goes_on` is set.
    """
    times: int = 1
    answer: bytes = b""
    delay_s: float = 0.0
    goes_on: threading.Event = field(default_factory=threading.Event)


def response(status: int, body: bytes | str = b"", kind: str = "text/html", **headers: str) -> bytes:
    """Return the bytes of a response; in the names of `headers`, `_` stands for `-`."""
    content = body.encode() if isinstance(body, str) else body
    fields = {"content-type": kind, **{name.replace("_", "-"): value for name, value in headers.items()}}
    lines = [f"HTTP/1.1 {status} -", *(f"{name}: {value}" for name, value in fields.items())]
    if status != 204:
        lines.append(f"content-length: {len(content)}")
    return "\r\n".join([*lines, "", ""]).encode() + content


def problem(status: int, name: str) -> bytes:
    """Return a refusal by this API itself."""
    body = f'{{"type":"/problems/{name}","title":"-","status":{status},"detail":"as the test says","instance":"/"}}'
    return response(status, body, "application/problem+json")


@dataclass
class Proxy:
    """Listens on a port of its own; a context manager."""

    upstream: int = 0
    """The service's port."""
    faults: list[Fault] = field(default_factory=list)
    away: bool = False
    """Whether every connection is reset, as if no service were there."""
    seen: list[str] = field(default_factory=list)
    """The calls that came, as in `POST /v1/tasks/claim: cut`; `passed` without a fault."""
    port: int = 0
    ahead: timedelta | None = timedelta()
    """How far the service's clock seems to be ahead, by the `Date` of its answers; None removes that."""

    def __enter__(self) -> Self:
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)))
        self._thread.start()
        ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    @property
    def url(self) -> str:
        """The address for clients."""
        return f"http://127.0.0.1:{self.port}"

    def go_away(self) -> None:
        """Reset all connections, and each new one."""
        self.away = True
        self.break_off()

    def break_off(self) -> None:
        """Reset all connections that there are now."""
        self._loop.call_soon_threadsafe(self._abort_all)

    def count(self, pattern: str) -> int:
        """Return how many calls that match have come so far."""
        return sum(re.search(pattern, line) is not None for line in list(self.seen))

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        self._writers = set[asyncio.StreamWriter]()
        server = await asyncio.start_server(self._connection, "127.0.0.1", self.port, ssl=self._certificate())
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._end.wait()
        server.close()
        self._abort_all()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _abort_all(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            if not self.away:
                await self._handle(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client has gone, or the proxy ends
        finally:
            self._writers.discard(writer)
            with contextlib.suppress(OSError):
                await writer.drain()
            writer.close()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Handle the one call of a connection."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        body = await reader.readexactly(int(length[1])) if length else b""
        line = head.partition(b" HTTP/")[0].decode()
        if self.away:
            return
        fault = next((each for each in self.faults if each.times > 0 and re.search(each.path, line)), None)
        if fault is not None:
            fault.times -= 1
        self.seen.append(f"{line}: {fault.how if fault else 'passed'}")
        call = re.sub(rb"(?i)\r\nconnection:[^\r]*", b"", head[:-4]) + b"\r\nconnection: close\r\n\r\n" + body
        acting = asyncio.ensure_future(self._act(fault, call, writer))
        leaving = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({acting, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if acting.done():
                acting.result()
        finally:
            acting.cancel()
            leaving.cancel()
            await asyncio.wait({acting, leaving})

    async def _act(self, fault: Fault | None, call: bytes, writer: asyncio.StreamWriter) -> None:
        how = fault.how if fault else "pass"
        if fault is not None:
            await _hold_up(fault)
        if fault and how == "answer":
            writer.write(_closing(fault.answer))
        if how in {"answer", "cut"}:
            return
        chunks = self._forward(call)
        if how in {"pass", "slow", "hold"}:
            async for chunk in chunks:
                writer.write(chunk)
                await writer.drain()
            return
        answer = b"".join([chunk async for chunk in chunks])
        if how == "withhold":
            await asyncio.Event().wait()
        if how == "half":
            writer.write(answer[: len(answer) // 2])
        elif fault and how == "replace":
            writer.write(_closing(fault.answer))

    async def _forward(self, call: bytes) -> AsyncIterator[bytes]:
        reader, writer = await self._connect()
        try:
            writer.write(call)
            if self.ahead != timedelta():
                yield self._dated(await reader.readuntil(b"\r\n\r\n"))
            while chunk := await reader.read(1 << 16):
                yield chunk
        finally:
            writer.close()

    def _certificate(self) -> ssl.SSLContext | None:
        """Return what the proxy speaks TLS with; None where it does not."""
        return None

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.upstream)

    def _dated(self, head: bytes) -> bytes:
        """Return the head of an answer with the `Date` that clients are to see."""
        date = b""
        if self.ahead is not None:
            date = f"\r\nDate: {format_datetime(datetime.now(UTC) + self.ahead, usegmt=True)}".encode()
        return re.sub(rb"(?i)\r\ndate:[^\r]*", lambda _: date, head)


async def _hold_up(fault: Fault) -> None:
    """Return when the service may see the call."""
    match fault.how:
        case "slow":
            await asyncio.sleep(fault.delay_s)
        case "hold":
            await asyncio.to_thread(fault.goes_on.wait, 60)
        case "hang":
            await asyncio.Event().wait()


def _closing(answer: bytes) -> bytes:
    return answer.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1)
