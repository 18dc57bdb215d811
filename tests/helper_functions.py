"""What helper processes are asked for in tests: they import it, so it has a module of its own."""

from __future__ import annotations

import os
import signal

MEMORY = 256 * 1024 * 1024
"""Bytes that a request may take."""


def count_for_ever() -> None:
    """Take processor time without end."""
    while True:
        pass


def fill_memory() -> int:
    """Take more memory than there is for a request."""
    return len(bytearray(2 * MEMORY))


def add(one: int, other: int) -> int:
    """Return a sum."""
    return one + other


def sum_up(count: int) -> int:
    """Take some twentieth of a second."""
    return sum(range(count))


def kill_itself() -> None:
    """End as if by the kernel's choice of what to end when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


def priority() -> tuple[int, int]:
    """Return how this process is scheduled: policy and niceness."""
    return os.sched_getscheduler(0), os.nice(0)
