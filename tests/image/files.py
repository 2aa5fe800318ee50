"""Runs inside the container: says what the image is made of, as JSON."""

import json
import os
import shutil
import stat
import sys
from importlib.util import cache_from_source
from pathlib import Path

OTHERS = ("/proc", "/sys", "/dev")
"""Not the image's: the engine mounts them."""
HOME = Path("/opt/taskpulse")


def writable(path: str) -> bool:
    """Say whether our user could write here if the root were not read-only."""
    found = os.lstat(path)
    if stat.S_ISLNK(found.st_mode) or found.st_mode & stat.S_ISVTX:
        return False  # /tmp and its like are the base image's
    return found.st_uid == os.getuid() or found.st_gid == os.getgid() or bool(found.st_mode & stat.S_IWOTH)


def everything() -> list[str]:
    """Return every file and folder of the image."""
    found = []
    for folder, folders, files in os.walk("/"):
        folders[:] = [name for name in folders if os.path.join(folder, name) not in OTHERS]  # noqa: PTH118
        found += [os.path.join(folder, name) for name in folders + files]  # noqa: PTH118
    return found


def main() -> None:
    """Print the findings."""
    import app.client.work
    import app.http.server  # noqa: F401

    paths = everything()
    loaded = {name: getattr(module, "__file__", None) or "" for name, module in list(sys.modules.items())}
    sources = [path for path in loaded.values() if path.endswith(".py")]
    sources += [str(path) for path in HOME.glob("lib/python*/site-packages/**/*.py")]
    root = Path("/")
    print(
        json.dumps(
            {
                "user": [os.getuid(), os.getgid()],
                "capabilities": [line for line in Path("/proc/self/status").read_text().splitlines() if "Cap" in line],
                "read_only_root": bool(os.statvfs(root).f_flag & os.ST_RDONLY),
                "writable": [path for path in paths if writable(path)],
                "tools": [tool for tool in ("cc", "gcc", "c++", "make", "ld", "git", "uv") if shutil.which(tool)],
                "caches": [path for path in paths if path.endswith(("/.cache", "/pip/cache", ".whl.metadata"))],
                "credentials": [path for path in paths if "gha-creds" in path],
                "packages": sorted(
                    path.name.partition("-")[0] for path in HOME.glob("lib/python*/site-packages/*.dist-info")
                ),
                "top": sorted(path.name for path in HOME.glob("lib/python*/site-packages/*") if path.is_dir()),
                "uncompiled": [path for path in sources if not Path(cache_from_source(path)).exists()],
                "compiled": len(sources),
            }
        )
    )


main()
