"""Runs the command that does the work, in a process group of its own."""

import asyncio
import contextlib
import errno
import os
import shutil
import signal
from collections import deque
from collections.abc import Sequence

import msgspec

from app.client.output import CHECK_EVERY_S, Output, streams

KILL_AFTER_S = 10.0
"""Seconds between SIGTERM and SIGKILL."""
EOF_WITHIN_S = 1.0
"""Seconds for processes that the command left behind to close its output."""
READ_BYTES = 1 << 16
"""Of output that is read ahead: it fits into the buffer of an Output that is half full."""
LINES = 20
NOT_STARTED = {126: errno.EACCES, 127: errno.ENOENT}
"""Exit statuses of `setpriv`, which then prints one line."""
CHARACTERS = 4000
BYTES = 16_000
"""Of these characters as JSON: a result may have 16,384, and a control character takes six."""


class Child:
    """A running command; its output is passed on, and its last lines are kept.

    A slow reader of the output slows the command down, as a pipe does. One that has stopped reading does not: what it
    does not take is dropped. With a `mark`, only whole lines are passed on, each after it.
    """

    def __init__(self, process: asyncio.subprocess.Process, task_json: bytes, mark: str = "") -> None:
        self._process = process
        self._mark = mark.encode()
        self._lines: deque[bytes] = deque(maxlen=LINES)
        self._ending: asyncio.Task[None] | None = None
        assert process.stdout  # noqa: S101 - it was asked for
        assert process.stderr  # noqa: S101
        ours = streams()
        self._streams = [
            asyncio.create_task(self._feed(task_json)),
            asyncio.create_task(self._pass_on(process.stdout, ours.output)),
            asyncio.create_task(self._pass_on(process.stderr, ours.errors)),
        ]

    @classmethod
    async def start(cls, command: Sequence[str], task_json: bytes, mark: str = "") -> "Child":
        """Start the command with the task on its standard input.

        Where there is `setpriv`, it gets SIGTERM when this process dies, however that happens: work whose lease
        nobody keeps must not go on.
        Raises OSError.
        """
        if shutil.which(command[0]) is None:  # gone since the last task
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        launcher = ["setpriv", "--pdeathsig", "TERM", "--"] if shutil.which("setpriv") else []
        process = await asyncio.create_subprocess_exec(
            *launcher,
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            limit=READ_BYTES,
        )
        return cls(process, task_json, mark)

    @property
    def ended(self) -> bool:
        """Whether the command has ended; wait() may still wait for its output."""
        return self._process.returncode is not None

    async def wait(self) -> int:
        """Return the exit status, negative for the signal that killed it, once its output has ended.

        Raises OSError where `setpriv` could not start the command, whose interpreter is missing for example.
        """
        # Process.wait() of Python 3.11 would also wait for what the command left behind to close the pipes.
        while (status := self._process.returncode) is None:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(CHECK_EVERY_S)
        _, late = await asyncio.wait(self._streams, timeout=EOF_WITHIN_S)
        for stream in late:
            stream.cancel()
        await asyncio.wait(self._streams)
        self._process._transport.close()  # type: ignore[attr-defined]  # else its pipes stay open
        if self._ending is not None:
            self._ending.cancel()
            self._signal(signal.SIGKILL)  # processes that it left behind
        elif status in NOT_STARTED and len(self._lines) == 1 and self._lines[0].startswith(b"setpriv: "):
            raise OSError(NOT_STARTED[status], os.strerror(NOT_STARTED[status]))
        return status

    def terminate(self) -> None:
        """End the command and all its children: SIGTERM now, SIGKILL in ten seconds."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._end())

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # the latter: of another user, as by sudo
            os.killpg(self._process.pid, number)

    async def _end(self) -> None:
        self._signal(signal.SIGTERM)
        await asyncio.sleep(KILL_AFTER_S)
        self._signal(signal.SIGKILL)

    @property
    def last_lines(self) -> str:
        """The last lines of output and errors together, at most 4,000 characters and 16,000 bytes of JSON."""
        text = b"".join(self._lines).decode("utf-8", "replace").replace("\0", "\ufffd")
        text = text[-CHARACTERS:].strip()
        while len(msgspec.json.encode(text)) > BYTES:
            text = text[CHARACTERS // 10 :]
        return text

    async def _feed(self, task_json: bytes) -> None:
        assert self._process.stdin  # noqa: S101 - it was asked for
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._process.stdin.write(task_json)
            await self._process.stdin.drain()
            self._process.stdin.close()
            await self._process.stdin.wait_closed()

    async def _pass_on(self, stream: asyncio.StreamReader, target: Output) -> None:
        line = b""
        try:
            while piece := await stream.read(READ_BYTES):
                *lines, line = (line + piece).splitlines(keepends=True)
                self._lines.extend(lines)
                if line.endswith(b"\n") or len(line) > CHARACTERS * 4:
                    self._lines.append(line)
                    lines, line = [*lines, line], b""
                if self._mark:
                    piece = self._marked(lines)
                while target.behind and not target.stalled and not self.ended:  # noqa: ASYNC110 - a thread makes room
                    await asyncio.sleep(CHECK_EVERY_S)
                if target.behind and not self.ended:
                    target.drop(len(piece))
                else:
                    target.write(piece)
        finally:
            if line:
                self._lines.append(line + b"\n")
                if self._mark:
                    target.write(self._marked([line]))

    def _marked(self, lines: Sequence[bytes]) -> bytes:
        """Return lines after the mark, each with an end, so that those of several commands do not mix."""
        return b"".join(self._mark + line.rstrip(b"\r\n") + b"\n" for line in lines)


def verdict(status: int) -> str:
    """Describe how a command ended."""
    if status < 0:
        names = {int(number): number.name for number in signal.Signals}
        return f"killed by {names.get(-status, f'signal {-status}')}"
    return f"exit status {status}"
