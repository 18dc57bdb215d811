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


def wait_for(
    condition: Callable[..., Value | Literal[False] | None],
    *,
    seconds: float = PATIENCE,
    what: str = "the condition",
) -> Value:
    """Return the first truthy value of `condition`; fail after `seconds`.

    It is called without arguments; those that a lambda declares have defaults: a loop's variables.
    It looks ever less often: to look may cost more than what is waited for.
    """
    began = time.monotonic()
    while True:
        value = condition()
        if value:
            return value
        waited = time.monotonic() - began
        if waited > seconds:
            raise AssertionError(f"{what} did not come true within {seconds:g} s; last: {value!r}")
        time.sleep(min(max(_SHORTEST, waited / 10), _LONGEST))
