"""A way to the API server that can be closed for a while, as when it is away."""

import json
import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit


class Gate:
    """Passes connections on to the API server of `kubeconfig`; while closed, it refuses and cuts them."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        config = json.loads(kubeconfig.read_text())
        server = config["clusters"][0]["cluster"]
        address = urlsplit(server["server"])
        self.target = (address.hostname or "", address.port or 0)
        self._open: list[socket.socket] = []
        self._listener = self._listen(0)
        port = self._listener.getsockname()[1]
        server["server"] = f"https://127.0.0.1:{port}"
        self.port = port
        self.kubeconfig = folder / "gate.kubeconfig"
        self.kubeconfig.write_text(json.dumps(config))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for each in (self._listener, *self._open):
            cut(each)
        self._open.clear()

    def open(self) -> None:
        self._listener = self._listen(self.port)

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
                far = socket.create_connection(self.target)
            except OSError:
                return
            self._open += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=copy, args=(one, other), daemon=True).start()


def copy(one: socket.socket, other: socket.socket) -> None:
    try:
        while data := one.recv(65536):
            other.sendall(data)
    except OSError:
        pass
    finally:
        cut(one)
        cut(other)


def cut(connection: socket.socket) -> None:
    """End a connection for those, too, who are reading from it in another thread."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
