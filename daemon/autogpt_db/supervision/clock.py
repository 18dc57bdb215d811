"""A clock for Supervisor that no change of the wall clock can move.

Replaces stock behaviour: Supervisor times starts, stops and pauses by `time.time`. Set the
machine's clock forward while a child is draining, and the child is killed at once; set it back,
and nothing is restarted until it has caught up.
"""

from __future__ import annotations

import time as real
from types import ModuleType

import supervisor.process
import supervisor.rpcinterface
import supervisor.supervisord
import supervisor.xmlrpc

_OFFSET = real.time() - real.monotonic()


def now() -> float:
    """Return seconds since the epoch as they were at import, advanced by the monotonic clock."""
    return _OFFSET + real.monotonic()


class _SteadyTime(ModuleType):
    """Stands for the module `time` inside Supervisor's modules."""

    def __getattr__(self, name: str) -> object:
        return getattr(real, name)


def install() -> None:
    """Make Supervisor's own modules use the steady clock."""
    steady = _SteadyTime("time")
    steady.time = now  # type: ignore[attr-defined]
    for module in (supervisor.process, supervisor.rpcinterface, supervisor.supervisord):
        module.time = steady
