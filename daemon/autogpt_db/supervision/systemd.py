"""What systemd is told, and what it hands over. Without systemd, nothing happens.

Only main speaks to systemd: it ignores what children say (`NotifyAccess=main`).
"""

from __future__ import annotations

import contextlib
import os
import socket
import time

from autogpt_db.listening import prepare
from autogpt_db.printable import printable

FIRST_DESCRIPTOR = 3
"""SD_LISTEN_FDS_START of sd_listen_fds(3)."""


def notify(*assignments: str) -> None:
    """Send state to systemd, as sd_notify(3) does; never blocks for long and never raises.

    Args:
        assignments: `READY=1`, `STATUS=…` and the like.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as stream,
    ):
        stream.settimeout(0.5)
        # A line feed in words that came from elsewhere would begin another assignment.
        lines = (printable(assignment) for assignment in assignments)
        stream.sendto("\n".join(lines).encode("utf-8", "backslashreplace"), address)


LONGEST_SILENCE = 600
"""Seconds that systemd gives us from one announcement to the next while the service starts."""


def announce(words: str) -> None:
    """Tell an operator in words what the service is waiting for, before it is ready.

    systemd allows for more time with each: a recovery, a migration or an outage may outlast
    `TimeoutStartSec`.
    """
    notify(f"STATUS={words}", f"EXTEND_TIMEOUT_USEC={LONGEST_SILENCE * 1_000_000}")


def notify_reloading() -> None:
    """Say that a reload has begun; READY=1 ends it."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def watchdog_interval() -> float | None:
    """Return the seconds between two signs of life that systemd asks for, or None."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    if not microseconds.isdecimal() or os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(
        os.getpid()
    ):
        return None
    return int(microseconds) / 1_000_000 / 3


def take_sockets() -> list[socket.socket]:
    """Return the sockets that systemd opened for this process, in its unit's order."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = os.environ.get("LISTEN_FDS", "")
    sockets = []
    for descriptor in range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + int(count or 0)):
        os.set_inheritable(descriptor, False)
        sockets.append(prepare(socket.socket(fileno=descriptor)))
    return sockets
