"""Directories of a cluster's data: their size, making one, and putting one in another's place."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from autogpt_db.database.provisioning.embedded.cluster import sync_directory
from autogpt_db.errors import MaintenanceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_RENAME_EXCHANGE = 2
_AT_FDCWD = -100
_libc = ctypes.CDLL(None, use_errno=True)


def check_space(directory: Path, needed: int, *, what: str) -> None:
    """Check that there is room.

    Args:
        directory: Where.
        needed: Bytes.
        what: For the message: what takes the room.

    Raises:
        MaintenanceError: There is not.
    """
    free = shutil.disk_usage(directory).free
    if free < needed:
        raise MaintenanceError(
            f"{directory} has {human_size(free)} free, and {what} may take {human_size(needed)}. "
            "Make room, or choose another place; --ignore-space goes on regardless."
        )


def size_of(directory: Path) -> int:
    """Return the bytes of all files below a directory."""
    total = 0
    for folder, _, files in os.walk(directory):
        for name in files:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118 - many files
            except FileNotFoundError:
                continue
    return total


def human_size(count: float) -> str:
    """Return bytes for people: `1.5 GiB`."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:  # noqa: PLR2004 - as the units go
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def stamp() -> str:
    """Return the time for names of files: `20261124T171500Z`."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())


@contextmanager
def made_anew(directory: Path) -> Iterator[None]:
    """Make a directory for a cluster's data; what fails in the block leaves nothing of it.

    Raises:
        MaintenanceError: It cannot be written.
    """
    try:
        directory.mkdir(mode=0o700)
        yield
    except OSError as error:
        shutil.rmtree(directory, ignore_errors=True)
        raise MaintenanceError(f"{directory} cannot be written: {error.strerror}.") from error
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise


def put_in_place(fresh: Path, data: Path, old: Path) -> None:
    """Put a data directory in another's place, which then is called `old`.

    In one step, so that no power cut leaves the place empty: a service that finds it so makes a new
    and empty cluster.

    Args:
        fresh: The new data.
        data: Its place, taken or not.
        old: What the data before is called afterwards.
    """
    if not data.exists():
        fresh.rename(data)
    elif _exchange(fresh, data):
        fresh.rename(old)
    else:  # a file system that cannot
        data.rename(old)
        fresh.rename(data)
    sync_directory(data.parent)


def _exchange(one: Path, other: Path) -> bool:
    paths = [ctypes.c_char_p(os.fsencode(path)) for path in (one, other)]
    try:
        renameat2 = _libc.renameat2
    except AttributeError:
        return False
    if renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}:
        return False
    raise OSError(number, os.strerror(number), str(other))
