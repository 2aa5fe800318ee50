"""Takes the first steps of a deploy: `steps.py COUNT OVERLAY IMAGE SECRETS [lost]`.

Then it kills itself with SIGKILL, or goes one step further with a lock that is lost.
"""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path.cwd()))

from delivery.deploy.commits import head
from delivery.deploy.overlay import prepare
from delivery.deploy.report import Report
from delivery.deploy.state import Deploy
from delivery.deploy.steps import STEPS
from delivery.secrets import load

count, overlay, image, folder, *lost = sys.argv[1:]
wanted = prepare(overlay, image, head())
given = load(Path(folder), wanted.namespace, os.environ)
deploy = Deploy(wanted.namespace, lambda _: wanted, Report(as_json=False), 60, 0, given)
for step in STEPS[: int(count)]:
    step(deploy)
if lost:
    deploy.lock._taken_by = "another"
    STEPS[int(count)](deploy)
os.kill(os.getpid(), signal.SIGKILL)
