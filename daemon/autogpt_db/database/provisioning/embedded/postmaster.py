"""Knowing a data directory's processes from strangers, and ending them."""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from autogpt_db.logs.events import embedded as log

# Fast shutdown, immediate shutdown, and what a stopped process obeys; seconds for each.
_ENDING = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 8.0), (signal.SIGKILL, 5.0))
_BACKENDS_END = 5.0
_PROGRAMS = frozenset({"postgres", "postmaster"})
_STATUS_LINE = 7


class PidFile(NamedTuple):
    """What postmaster.pid says.

    Attributes:
        pid: The postmaster that wrote it, perhaps long gone.
        ready: True once it serves connections.
    """

    pid: int
    ready: bool


def read_pid_file(data: Path) -> PidFile | None:
    """Return what postmaster.pid says, or None where it is missing or half written."""
    try:
        lines = (data / "postmaster.pid").read_text("utf-8", "replace").splitlines()
        pid = int(lines[0])
    except (OSError, ValueError, IndexError):
        return None
    return PidFile(abs(pid), len(lines) > _STATUS_LINE and lines[_STATUS_LINE].strip() == "ready")


def end_postmaster(data: Path) -> int | None:
    """End the postmaster that serves `data`; return its pid, or None where there is none."""
    known = read_pid_file(data)
    return known.pid if known is not None and _end(known.pid, data) else None


def end_leftovers(data: Path) -> None:
    """End what a killed daemon left running on `data`, so that a new postmaster can start.

    Backends outlive a killed postmaster by a moment, and PostgreSQL refuses to start beside them.
    """
    pid = end_postmaster(data)
    if pid is not None:
        log.embedded_leftover_ended(pid=pid, directory=str(data))
    deadline = time.monotonic() + _BACKENDS_END
    while left := _processes_of(data):
        if time.monotonic() > deadline:
            log.embedded_leftover_ended(pid=left, directory=str(data))
            for one in left:
                with suppress(ProcessLookupError):
                    os.kill(one, signal.SIGKILL)
            deadline += _BACKENDS_END
        time.sleep(0.01)
    _disown(data)


def _end(pid: int, data: Path) -> bool:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        # Asked after the descriptor is there: from here on the pid cannot become another's.
        if not _serves(pid, data):
            return False
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        for number, seconds in _ENDING:
            signal.pidfd_send_signal(descriptor, number)
            if poll.poll(seconds * 1000):
                break
    except ProcessLookupError:
        pass  # it ended while we were at it
    finally:
        os.close(descriptor)
    return True


def _serves(pid: int, data: Path) -> bool:
    """Tell whether a process is a PostgreSQL of this data directory; a dead one is none."""
    entry = Path("/proc", str(pid))
    try:
        if entry.joinpath("comm").read_text().strip() not in _PROGRAMS:
            return False
        with suppress(PermissionError):
            return entry.joinpath("cwd").samefile(data)
        # Not ours to look into (no CAP_SYS_PTRACE): a postmaster's command line tells as well.
        return os.fsencode(data) in entry.joinpath("cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


def _processes_of(data: Path) -> list[int]:
    numbers = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())
    return [number for number in numbers if _serves(number, data)]


def _disown(data: Path) -> None:
    """Make a stale postmaster.pid harmless whose number some other process has got since.

    PostgreSQL would take that process for a postmaster. It doesn't when the number is that of its
    own parent, which we shall be; and it still looks for the shared memory that the file names.
    """
    try:
        descriptor = os.open(data / "postmaster.pid", os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    with os.fdopen(descriptor, "r+b") as file:
        rest = file.read().partition(b"\n")[2]
        file.seek(0)
        file.write(b"%d\n%b" % (os.getpid(), rest))
        file.truncate()
