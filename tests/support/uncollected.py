"""Runs the service without garbage collection: `python -m tests.support.uncollected FILE serve`.

At SIGUSR2, it collects everything and writes how many objects of each type only the garbage collector frees, as JSON.
"""

import gc
import json
import signal
import sys
from collections import Counter
from pathlib import Path

from app.cli.main import main

if __name__ == "__main__":
    file = Path(sys.argv.pop(1))
    collect_all = gc.collect

    def collect(*_: object) -> None:
        """Write what is found, and forget it."""
        gc.set_debug(gc.DEBUG_SAVEALL)
        collect_all()
        gc.set_debug(0)
        found = Counter(f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.garbage)
        gc.garbage.clear()
        part = file.with_suffix(".part")
        part.write_text(json.dumps(found))
        part.rename(file)

    gc.disable()
    gc.collect = lambda *_: 0  # the service's own collections
    signal.signal(signal.SIGUSR2, collect)
    main(prog_name="taskpulse")
