import signal
import sys

try:
    from delivery.cli import main
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] == "delivery":
        raise
    sys.exit(
        f"Error: {sys.executable} has no module {error.name!r}.\n"
        "Run `make .venv/.ready` once, then `.venv/bin/python -m delivery`."
    )

signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does: the lock is let go, values are removed
main(prog_name="python -m delivery")
