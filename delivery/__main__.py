import signal

from delivery.cli import main

signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does: the lock is let go, values are removed
main(prog_name="python -m delivery")
