"""The signals that ask a client command to end."""

import asyncio
import signal
from collections.abc import Callable

STOP = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def on_stop(stop: Callable[[signal.Signals], object]) -> None:
    """Have the running loop call `stop` with each signal that asks for the end; under nohup, SIGHUP is ignored."""
    loop = asyncio.get_running_loop()
    for number in STOP:
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, stop, number)
