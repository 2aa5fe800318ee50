import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

RATIO = r"\d\.\d{3} \(\d\.\d{3} to \d\.\d{3}\)"


def compare(root: Path, **options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench.compare"]
    variables = os.environ | {"BASE": "HEAD", "ONLY": "empty", "ROUNDS": "6"} | options
    return subprocess.run(command, cwd=root, env=variables, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_it_works(root: Path) -> None:
    done = compare(root, BOUND="0.1")  # of which no base and no head can fall short
    assert done.returncode == 1, done.stderr
    head, row = done.stdout.splitlines()
    assert head.split() == ["operation", "processor", "time", "time", "verdict"]
    assert re.fullmatch(rf"empty route +{RATIO} +{RATIO} +slower", row)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"BASE": "no-such-commit"}, "make compare: git log failed: fatal: bad revision 'no-such-commit'"),
        ({"ROUNDS": "5"}, "make compare: ROUNDS=5 is too few; an interval takes 6."),
    ],
)
def test_what_cannot_be_compared(options: dict[str, str], message: str, root: Path) -> None:
    done = compare(root, **options)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == message
    assert done.stdout == ""
