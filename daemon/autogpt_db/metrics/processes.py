"""What the kernel says of a process of ours."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process uses.

    Attributes:
        memory: Bytes in RAM.
        cpu: Seconds of processor time.
        files: Open descriptors, or None where the kernel doesn't tell.
        files_max: How many it may have, or None for no bound.
    """

    memory: int
    cpu: float
    files: int | None
    files_max: int | None


def own_start() -> tuple[int, float]:
    """Return when this process started: in ticks since the machine did, and as Unix time."""
    start = _start(_fields(os.getpid()))
    since_boot = time.clock_gettime(time.CLOCK_BOOTTIME)
    return start, time.time() - since_boot + start / _TICKS


def usage(pid: int, start: int) -> Usage | None:
    """Return what the process uses; None when it is gone.

    Args:
        pid: Its number.
        start: When it started: another one may have its number by now.
    """
    try:
        fields = _fields(pid)
    except OSError:
        return None
    if _start(fields) != start or fields[0] == b"Z":
        return None
    return Usage(
        memory=int(fields[21]) * _PAGE,
        cpu=(int(fields[11]) + int(fields[12])) / _TICKS,
        files=_open_files(pid),
        files_max=_most_files(pid),
    )


def _fields(pid: int) -> list[bytes]:
    """Return the fields of proc(5)'s stat, from the third (the state) on."""
    return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()


def _start(fields: list[bytes]) -> int:
    return int(fields[19])


def _open_files(pid: int) -> int | None:
    try:
        # Since Linux 6.2 the directory's size is the number of its entries.
        return os.stat(f"/proc/{pid}/fd").st_size or len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH116, PTH208
    except OSError:
        return None


def _most_files(pid: int) -> int | None:
    try:
        for line in Path(f"/proc/{pid}/limits").read_text("ascii").splitlines():
            if line.startswith("Max open files"):
                soft = line.split()[3]
                return None if soft == "unlimited" else int(soft)
    except OSError:
        pass
    return None
