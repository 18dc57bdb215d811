"""Awaiting a condition with a deadline, instead of sleeping and hoping."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Value = TypeVar("Value")

PATIENCE = 60.0
"""Seconds for what takes one or two on a machine with nothing else to do."""
BUSY = 4
"""How many times as long as is promised a thing may take where ten others are done meanwhile."""
_SHORTEST, _LONGEST = 0.005, 0.05
_SHARE, _LONGEST_BY_SHARE = 5, 0.5
"""A look that starts a program, in a guest say, may take a fifth of the time at most."""


def wait_for(
    condition: Callable[..., Value | Literal[False] | None],
    *,
    seconds: float = PATIENCE,
    what: str = "the condition",
) -> Value:
    """Return the first truthy value of `condition`; fail after `seconds`.

    It is called without arguments; those that a lambda declares have defaults: a loop's variables.
    It looks ever less often, and the less often the longer a look takes: to look may cost more than
    what is waited for.
    """
    began = time.monotonic()
    while True:
        before = time.monotonic()
        value = condition()
        if value:
            return value
        now = time.monotonic()
        if now - began > seconds:
            raise AssertionError(f"{what} did not come true within {seconds:g} s; last: {value!r}")
        pause = min(max(_SHORTEST, (now - began) / 10), _LONGEST)
        time.sleep(max(pause, min((_SHARE - 1) * (now - before), _LONGEST_BY_SHARE)))
