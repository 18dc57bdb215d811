"""What is made once for all test processes of a run: by the first that asks for it."""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_VARIABLE = "AUTOGPT_DB_TEST_RUN"
_MEMORY = Path("/dev/shm")
_ROOM = 4 * 2**30


def run_directory() -> Path:
    """Return the run's own directory, which every account may pass.

    The process that asks first makes it, those that it starts find it in their environment, and it
    goes with the first.
    """
    if _VARIABLE not in os.environ:
        made = tempfile.mkdtemp(prefix="adb-run-", dir=_scratch())
        Path(made).chmod(0o755)
        os.environ[_VARIABLE] = made
        atexit.register(_remove, made, os.getpid())
    return Path(os.environ[_VARIABLE])


def _remove(made: str, maker: int) -> None:
    """Remove it in the process that has made it: those that it forks come by here as well."""
    if os.getpid() == maker:
        shutil.rmtree(made, ignore_errors=True)


def scratch() -> Path:
    """Return where the run makes files that are worth nothing: in memory, or else /tmp.

    A database has a thousand files, and most tests have one of their own: on a disk, making and
    removing these takes longer than the tests.
    """
    return run_directory().parent


def made_once(name: str, make: Callable[[Path], object]) -> Path:
    """Return what `make` makes at the path it is given; the others wait for it meanwhile.

    Args:
        name: What it is, in this run.
        make: Makes a file or a directory. If it fails, whoever asks next tries again.
    """
    place = run_directory() / name
    with place.with_name(f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            fresh = place.with_name(f"{name}.new")
            shutil.rmtree(fresh, ignore_errors=True)
            make(fresh)
            fresh.rename(place)
    return place


def copy_of(made: Path, target: Path) -> None:
    """Make `target` the same as a directory, with owners and modes, which `shutil` does not keep.

    Where a directory is there already, as one that a disk is mounted at, it is filled.
    """
    subprocess.run(["cp", "-a", "--no-target-directory", made, target], check=True)


def _scratch() -> Path:
    try:
        status = os.statvfs(_MEMORY)
    except OSError:
        return Path("/tmp")
    usable = os.access(_MEMORY, os.W_OK | os.X_OK) and not status.f_flag & os.ST_NOEXEC
    roomy = status.f_bavail * status.f_frsize >= _ROOM
    return _MEMORY if usable and roomy else Path("/tmp")
