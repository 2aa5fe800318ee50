"""A way to the API server on which a share of the requests goes wrong, and which keeps requests waiting."""

import asyncio
import json
import random
import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from tests.support.proxy import Fault, Proxy, response

STATUSES = {
    429: "TooManyRequests",
    500: "InternalError",
    502: "",  # by what stands in front of an API server
    504: "Timeout",
}


def refusal(status: int) -> bytes:
    """Return an answer with `status`, as the API server or a load balancer before it gives it."""
    reason = {**STATUSES, 401: "Unauthorized"}.get(status, "Forbidden")
    if not reason:
        return response(status, "<html><title>Bad Gateway</title></html>")
    body = {"apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": reason, "message": "by the test"}
    return response(status, json.dumps(body | {"code": status}), "application/json")


@dataclass
class FaultyApi(Proxy):
    """Passes requests on to the API server of `source`, a kubeconfig; clients use `kubeconfig`.

    The faults of Proxy come first. Of the other requests, each that matches `slow` waits up to `latency_s` seconds, a
    `share` gets one of STATUSES, half of these after the API server has done what was asked, and watches are cut after
    up to `watch_s`.
    """

    source: Path = Path()
    folder: Path = Path()
    latency_s: tuple[float, float] = (0, 0)
    slow: str = ""
    share: float = 0.0
    watch_s: float | None = None
    seed: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    """How many requests met which fault."""

    def __enter__(self) -> Self:
        config = json.loads(self.source.read_text())
        server = config["clusters"][0]["cluster"]
        address = urlsplit(server["server"])
        self._upstream = (address.hostname or "", address.port or 0)
        self._tls = ssl.create_default_context(cafile=server["certificate-authority"])
        self._random = random.Random(self.seed)
        super().__enter__()
        server["server"] = f"https://127.0.0.1:{self.port}"
        self.kubeconfig = self.folder / f"faulty-{self.port}.kubeconfig"
        self.kubeconfig.write_text(json.dumps(config))
        return self

    def _certificate(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.source.parent / "server.crt", self.source.parent / "server.key")
        return context

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(*self._upstream, ssl=self._tls)

    async def _act(self, fault: Fault | None, call: bytes, writer: asyncio.StreamWriter) -> None:
        if fault is not None:
            await super()._act(fault, call, writer)
            return
        if re.search(self.slow, call.decode("latin-1")):
            await asyncio.sleep(self._random.uniform(*self.latency_s))
        if b"watch=" in call.partition(b"\r\n")[0]:
            await self._watch(call, writer)
        elif self._random.random() < self.share:
            status = self._random.choice(list(STATUSES))
            how = self._random.choice(("answer", "replace"))
            self._count(f"{status} {'before' if how == 'answer' else 'after'} the API server acted")
            await super()._act(Fault("", "answer" if how == "answer" else "replace", 1, refusal(status)), call, writer)
        else:
            await super()._act(None, call, writer)

    async def _watch(self, call: bytes, writer: asyncio.StreamWriter) -> None:
        lasts_s = None if self.watch_s is None else self._random.uniform(0, self.watch_s)
        try:
            async with asyncio.timeout(lasts_s):
                await super()._act(None, call, writer)
        except TimeoutError:
            self._count("watch cut")
            writer.transport.abort()

    def _count(self, what: str) -> None:
        self.failed[what] = self.failed.get(what, 0) + 1
