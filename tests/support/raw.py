"""HTTP by hand, for what no client library sends."""

import contextlib
import fcntl
import re
import socket
import struct
import termios
import time
from collections.abc import Iterator

from tests.support.service import Service


@contextlib.contextmanager
def connected(service: Service, timeout_s: float = 60) -> Iterator[socket.socket]:
    """Connect to the service."""
    with socket.create_connection(("127.0.0.1", service.port), timeout_s) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield connection


def read_all(connection: socket.socket) -> bytes:
    """Return what the service sends until it closes the connection."""
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def send(connection: socket.socket, data: bytes) -> None:
    """Send what the service takes."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.sendall(data)


def exchange(service: Service, *parts: bytes) -> bytes:
    """Send parts in segments of their own, end the writing side, and return all that comes back."""
    with connected(service) as connection:
        for part in parts:
            send(connection, part)
            wait_until_read(connection)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        return read_all(connection)


def wait_until_read(connection: socket.socket) -> None:
    """Wait until the service's kernel has acknowledged everything, so that the next part is a segment of its own."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        (unsent,) = struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, b"\0\0\0\0"))
        if unsent == 0:
            break
    time.sleep(0.02)  # and for the service to take it from there; if it is slower, the parts come together


def statuses(answers: bytes) -> list[int]:
    """Return the status of each answer."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answers)]
