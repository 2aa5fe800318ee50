"""The signals that ask a client command to end."""

import asyncio
import signal
from collections.abc import Callable
from types import FrameType

STOP = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def on_stop(stop: Callable[[signal.Signals], object]) -> None:
    """Have the running loop call `stop` with each signal that asks for the end; under nohup, SIGHUP is ignored.

    Once the loop has ended, signals change nothing: the process is about to end with the exit status that it has.
    """
    loop = asyncio.get_running_loop()

    def handle(number: int, _frame: FrameType | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop, signal.Signals(number))

    for number in STOP:
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handle)
