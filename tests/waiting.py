"""Awaiting a condition with a deadline, instead of sleeping and hoping."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Value = TypeVar("Value")


def wait_for(
    condition: Callable[[], Value], *, seconds: float = 15, what: str = "the condition"
) -> Value:
    """Return the first truthy value of `condition`; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {seconds:g} s; last: {value!r}")
        time.sleep(0.01)
