import signal
import sys
from types import FrameType

try:
    from delivery.cli import main
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] == "delivery":
        raise
    sys.exit(
        f"Error: {sys.executable} has no module {error.name!r}.\n"
        "Run `make .venv/.ready` once, then `.venv/bin/python -m delivery`."
    )


def end_as_at_ctrl_c(_number: int, frame: FrameType | None) -> None:
    """Let the lock go and remove values; asyncio has a handler of its own, which ends its tasks one after the other."""
    handler = signal.getsignal(signal.SIGINT)
    (handler if callable(handler) else signal.default_int_handler)(signal.SIGINT, frame)


signal.signal(signal.SIGTERM, end_as_at_ctrl_c)
main(prog_name="python -m delivery")
