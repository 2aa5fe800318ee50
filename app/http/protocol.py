"""HTTP/1.1 over one connection: uvicorn's protocol within bounds (docs/limits.md).

httptools reads strictly (it refuses two lengths, a length beside chunks, folded lines and bare line feeds), but it has
no bounds of its own, ends HTTP at an `Upgrade`, and does not require `Host`.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.http.connections import LITTLE, Connections, Pace
from app.http.cross_origin import CrossOrigin
from app.http.refusal import Refusal, answer, log_refusal
from app.http.transport import CoalescingTransport
from app.limits import REFUSED
from app.problems import Problem

MAX_HEAD = 32 * 1024
"""Bytes of the request line and the header fields."""
SLICE = 32 * 1024
"""Bytes that are parsed at once: no more than MAX_HEAD, so that only a head in several slices needs to be measured."""
MAX_FIELDS = 100
MAX_PIPELINED = 16
"""Requests that wait for the one before them on the same connection."""
MAX_IGNORED = 16 * 1024 * 1024
"""Bytes of a body that nothing reads, as the request is answered already or has no use for one."""
MAX_FRAMING = 64 * 1024
"""Bytes that chunks may need beyond eight times what they hold, and bytes in a row that hold nothing of the body."""

_NOTHING, _HEAD, _BODY = range(3)
"""What of a request is unfinished."""
_HOST = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=%:\[\]-]*")
_WITHOUT_BODY = frozenset({"GET", "HEAD", "DELETE", "OPTIONS", "TRACE"})
_FRAMING = (b"content-length", b"transfer-encoding")


def _too_large() -> Refusal:
    detail = f"The header fields must have at most {MAX_HEAD} bytes, in at most {MAX_FIELDS} fields."
    return Refusal("head_too_large", Problem("head-too-large", detail))


def _malformed(detail: str) -> Refusal:
    return Refusal("malformed", Problem("malformed-request", detail))


def _head_size(scope: Any, target: bytes) -> int:
    return len(target) + sum(len(name) + len(value) + 4 for name, value in scope["headers"])


class Protocol(HttpToolsProtocol):
    """HTTP/1.1 within bounds.

    `scope["extensions"]` has `abort`, which disconnects the client at once (an ordinary close waits until everything is
    sent: for ever, if the client does not read), `on_leave`, which takes what to call once when the client ends its own
    side or the process drains, and `lost`, which returns a future that is done once the connection has ended.
    """

    # A dict of so many attributes would take 2 KB of each connection.
    __slots__ = (
        "_body_bytes",
        "_cross_origin",
        "_ended",
        "_everyone",
        "_extensions",
        "_fed",
        "_half_head",
        "_held_before",
        "_holding_nothing",
        "_hosts",
        "_ignores_body",
        "_lost",
        "_on_leave",
        "_refused",
        "_running",
        "_trailers",
        "_unfinished",
        "_wire_bytes",
    )

    def __init__(self, everyone: Connections, cross_origin: CrossOrigin | None, **options: Any) -> None:
        super().__init__(**options)
        self._everyone = everyone
        self._cross_origin = cross_origin
        self._unfinished = _NOTHING
        self._fed = self._hosts = self._trailers = self._body_bytes = self._wire_bytes = 0
        self._held_before = self._holding_nothing = self._half_head = 0
        self._extensions: dict[str, Any] = {"abort": self.abort, "on_leave": self.on_leave, "lost": self.lost}
        self._ignores_body = self._refused = self._ended = False
        self._on_leave: Callable[[], None] | None = None
        self._lost: asyncio.Future[None] | None = None
        self._running: RequestResponseCycle | None = None
        """The request whose answer comes next; `cycle` is the last one that arrived."""

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start a connection, if need be in the place of another one."""
        super().connection_made(CoalescingTransport(transport, self.loop))  # type: ignore[arg-type]
        crowded = len(self.connections) > self._everyone.limit
        if crowded and not self._everyone.make_room(self.connections, self.loop.time()):  # type: ignore[arg-type]
            self._refuse(Refusal("connections", Problem("overloaded", "Every connection is busy.", retry_after_s=1)))
        else:
            self._everyone.heads[self] = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection; uvicorn would keep a reset one until its keep-alive ends."""
        self._everyone.forget(self)
        self._end_of_input()
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(None)
        self._disconnect()
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        # What refers to this protocol and what it refers to would wait for the garbage collector, with large heads.
        self.cycle = self._running = self.scope = self.headers = self._extensions = None  # type: ignore[assignment]
        self.url = b""
        self.pipeline.clear()

    def _disconnect(self) -> None:
        """Tell every request that the client is gone, and drop what the application has not read."""
        for cycle in self._unanswered():
            cycle.disconnected = True
            cycle.message_event.set()
            cycle.body.clear()

    def _unanswered(self) -> list[RequestResponseCycle]:
        waiting = [cycle for cycle, _ in self.pipeline]
        running = self._running
        return waiting if running is None or running.response_complete else [running, *waiting]

    def eof_received(self) -> bool:  # type: ignore[override]
        """Let answers to complete requests go out although the client sends no more; return whether there are any."""
        self._end_of_input()
        if self._unfinished == _BODY or self._is_idle():
            return False
        self.cycle.keep_alive = False
        self._everyone.heads.pop(self, None)
        return True

    def on_leave(self, call: Callable[[], None] | None) -> None:
        """Call this once when the client ends its side or `stop_waiting` is called: at once, if that has happened."""
        self._on_leave = call
        if self._ended:
            self.stop_waiting()

    def stop_waiting(self) -> None:
        """Tell the request that waits, if there is one, that it should answer now."""
        call, self._on_leave = self._on_leave, None
        if call is not None:
            call()

    def lost(self) -> "asyncio.Future[None]":
        """Return what is done once the connection has ended; take it while it is open."""
        self._lost = self.loop.create_future()
        return self._lost

    def _end_of_input(self) -> None:
        self._ended = True
        self.stop_waiting()

    def pause_writing(self) -> None:
        """Note that the client does not keep up with its answer."""
        self._everyone.answers[self] = Pace(self.loop.time(), self.unsent())
        super().pause_writing()

    def resume_writing(self) -> None:
        """Note that the client has taken all that was sent."""
        self._everyone.answers.pop(self, None)
        super().resume_writing()

    # What arrives

    def data_received(self, data: bytes) -> None:
        """Parse what arrived, and refuse what goes beyond a bound."""
        if self._refused:
            self._ignore(len(data))
            return
        self._unset_keepalive_if_required()
        try:
            if len(data) <= SLICE:
                self._take(data)
            else:
                for at in range(0, len(data), SLICE):
                    self._take(data[at : at + SLICE])
        except Refusal as refusal:
            self._refuse(refusal)
        except httptools.HttpParserError as error:
            cause = error.__context__
            if not isinstance(cause, Refusal):
                cause = _malformed(f"This is not HTTP/1.1: {error or cause}.")
            self._refuse(cause.with_traceback(None))
        else:
            if len(data) > LITTLE or self.pipeline or self._half_head > LITTLE:
                self._everyone.keep(self)

    def _take(self, data: bytes) -> None:
        """Parse up to SLICE bytes, and bound what of a head or a body is not complete."""
        cycle = self.cycle
        self._fed += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade()
            self._take(data[upgrade.args[0] :])
            return
        unfinished = self._unfinished
        if unfinished != _NOTHING or self.cycle is cycle:
            self._note_unfinished(unfinished, len(data), began=self.cycle is not cycle)

    def _ignore_upgrade(self) -> None:
        """Go on after the head of a request that asks for another protocol, as RFC 9110, section 7.8, allows.

        httptools would take the request's body for the next request (Kludex/uvicorn#2722).
        """
        framing = [b"%b: %b\r\n" % field for field in self.headers if field[0] in _FRAMING]
        self.parser = httptools.HttpRequestParser(_Continuation(self))
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n" % b"".join(framing))

    def _note_unfinished(self, unfinished: int, length: int, *, began: bool) -> None:
        """Start the clock of a head or a body that is not complete, and bound what httptools has not reported yet.

        `began` says that a request began within these bytes: then how many of them belong to the last one is unknown.
        """
        if unfinished == _HEAD:
            if self._fed > SLICE + MAX_HEAD:
                raise _too_large()
            self._half_head += length
            self._everyone.heads.setdefault(self, self.loop.time())
        elif unfinished == _BODY:
            if not began:
                self._bound_framing(length)
            if self not in self._everyone.bodies:
                self._everyone.bodies[self] = Pace(self.loop.time(), self._body_bytes)
        elif self._is_idle():  # line breaks before a request
            self._everyone.heads.setdefault(self, self.loop.time())

    def _bound_framing(self, length: int) -> None:
        """Bound the sizes, extensions and trailers of chunks: httptools keeps a trailer until it is complete."""
        self._wire_bytes += length
        self._holding_nothing = self._holding_nothing + length if self._body_bytes == self._held_before else 0
        self._held_before = self._body_bytes
        if self._holding_nothing > MAX_FRAMING or self._wire_bytes > MAX_FRAMING + 9 * self._body_bytes:
            raise _malformed("The chunks of the body hold too little.")

    def on_message_begin(self) -> None:
        """Start a request."""
        if len(self.pipeline) >= MAX_PIPELINED:
            raise Refusal("pipelining", Problem("malformed-request", f"More than {MAX_PIPELINED} requests wait here."))
        super().on_message_begin()
        self.scope["extensions"] = self._extensions
        self._unfinished = _HEAD
        self._hosts = self._trailers = self._half_head = 0
        self._fed = SLICE  # at the most, as it began within the present slice

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header field, and ignore a trailer: what it says would come too late."""
        if self._unfinished == _BODY:
            self._trailers += 1
            if self._trailers > MAX_FIELDS:
                raise _too_large()
            return
        name = name.lower()
        headers = self.headers
        headers.append((name, value))
        if len(headers) > MAX_FIELDS:
            raise _too_large()
        if name == b"host":
            self._hosts += 1
            if not _HOST.fullmatch(value):
                raise _malformed("Host must be a host name, with or without a port.")
        elif name == b"transfer-encoding":
            if value.strip().lower() != b"chunked" or self.parser.get_http_version() == "1.0":
                raise _malformed("The only transfer coding is chunked, in HTTP/1.1.")
        elif name == b"expect":
            self.expect_100_continue = value.lower() == b"100-continue"

    def on_headers_complete(self) -> None:
        """Check the head as a whole, and start to answer."""
        if self._hosts != 1 and (self._hosts or self.parser.get_http_version() != "1.0"):
            raise _malformed(f"A request must have exactly one Host; this one has {self._hosts}.")
        if self._fed > SLICE and _head_size(self.scope, self.url) > MAX_HEAD:
            raise _too_large()
        self._half_head = 0
        super().on_headers_complete()
        if self._everyone.heads:
            self._everyone.heads.pop(self, None)
        self._unfinished = _BODY
        self._ignores_body = self.scope["method"] in _WITHOUT_BODY
        self._body_bytes = self._wire_bytes = self._held_before = self._holding_nothing = 0

    def on_body(self, body: bytes) -> None:
        """Take a part of the body, and drop it if nothing will read it."""
        self._body_bytes += len(body)
        if not self._ignores_body and not self.cycle.response_complete:
            super().on_body(body)
        elif self._body_bytes > MAX_IGNORED:
            raise Refusal("body_too_large", Problem("content-too-large", "This request takes no body."))

    def on_message_complete(self) -> None:
        """End a request; where it asks for an upgrade, httptools reports the end before the body."""
        if not self.parser.should_upgrade():
            self._unfinished = _NOTHING
            if self._everyone.bodies:
                self._everyone.bodies.pop(self, None)
            cycle = self.cycle
            if not cycle.response_complete:
                cycle.more_body = False
                cycle.message_event.set()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Remember which request runs: uvicorn tells only the last one of a pipeline that the client is gone."""
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    # What is refused

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _refuse(self, refusal: Refusal) -> None:
        """Answer with a problem document where no other answer has begun, and take nothing more from the client."""
        REFUSED.labels(refusal.reason).inc()
        cycle = None if self._is_idle() else self.cycle
        self._refused = True
        self._everyone.forget(self)
        if cycle is not None and self._unfinished != _BODY:  # requests before this one have their answers first
            cycle.keep_alive = False
            return
        if cycle is not None:
            cycle.disconnected = True
            cycle.message_event.set()
        if self.pipeline or (cycle is not None and cycle.response_started):
            self.abort()
        elif cycle is None and self._unfinished == _BODY:  # its answer was sent before its body was complete
            self.transport.close()
        else:
            scope = None if self._unfinished == _NOTHING else self.scope
            log_refusal(refusal, scope, self.client)
            self.transport.write(answer(refusal, scope, self._cross_origin))
            self.transport.write_eof()
            self._body_bytes = 0
            self.flow.resume_reading()
            self._everyone.refused[self] = self.loop.time()

    def _ignore(self, length: int) -> None:
        self._body_bytes += length
        if self._body_bytes > MAX_IGNORED:
            self.abort()

    # What the deadlines need: app.http.connections.Peer

    def head_is_late(self) -> None:
        """Refuse a head that is not complete; close a connection on which nothing was sent."""
        if self._unfinished == _HEAD:
            self._refuse(Refusal("head_timeout", Problem("request-timeout", "The head did not arrive in time.")))
        else:
            self._everyone.forget(self)
            self.transport.close()

    def body_is_late(self) -> None:
        """Refuse a body that is not complete."""
        self._refuse(Refusal("body_timeout", Problem("request-timeout", "The body of the request arrived too slowly.")))

    def waits_for_us(self) -> bool:
        """Return whether the service has stopped reading."""
        return self.flow.read_paused

    def received(self) -> int:
        """Return the bytes of the body."""
        return self._body_bytes

    def kept(self) -> int:
        """Return the bytes of heads, and of bodies that the application has not read."""
        cycles = self._unanswered()
        heads = sum(_head_size(cycle.scope, cycle.scope["query_string"]) for cycle in cycles)
        return self._half_head + heads + sum(len(cycle.body) for cycle in cycles)

    def unsent(self) -> int:
        """Return the bytes of the answer that the client has not taken."""
        return self.transport.get_write_buffer_size()

    def idle_since(self) -> float | None:
        """Return when the last answer was sent; None while a request is in progress."""
        timer = self.timeout_keep_alive_task
        return None if timer is None else timer.when()

    def abort(self) -> None:
        """Close at once."""
        self._disconnect()
        self.transport.abort()


class _Continuation:
    """The callbacks of a parser that is shown the framing of a request whose head is read, and then its body."""

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol
        self._primed = False
        self.on_body = protocol.on_body
        self.on_message_complete = protocol.on_message_complete

    def on_message_begin(self) -> None:
        if self._primed:
            self._protocol.on_message_begin()

    def on_url(self, url: bytes) -> None:
        if self._primed:
            self._protocol.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._primed:
            self._protocol.on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._primed:
            self._protocol.on_headers_complete()
        self._primed = True
