"""Sample calls of every method, in a module for each subject: the one table for tests and pages.

A call names what it is about by roles (`USER`, `EXECUTION`). Whoever sends it fills in those that
its database has: the rows that recorded calls start from, or a large database's. Calls of what only
later releases have are sent to a database of the latest release. A method's calls touch, between
them, every table that its statements name; one of a write has an effect.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any

from tools.sample_calls.roles import Role

Arguments = Mapping[str, Any]


def sample_calls() -> Mapping[str, tuple[Arguments, ...]]:
    """Return the sample calls of all methods, by method.

    Raises:
        ValueError: Two modules have calls of one method.
    """
    found: dict[str, tuple[Arguments, ...]] = {}
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        for method, calls in getattr(importlib.import_module(module.name), "CALLS", {}).items():
            if method in found:
                raise ValueError(f"Two modules have sample calls of {method}, one {module.name}.")
            found[method] = tuple(calls)
    return found


def filled(arguments: Arguments, fill: Callable[[Role], Any]) -> dict[str, Any]:
    """Return a call's arguments with values in place of roles.

    Args:
        arguments: The call's.
        fill: Returns what a role stands for.
    """

    def value(part: Any) -> Any:
        match part:
            case Role():
                return fill(part)
            case Mapping():
                return {name: value(each) for name, each in part.items()}
            case list() | tuple():
                return [value(each) for each in part]
        return part

    return {name: value(each) for name, each in arguments.items()}


def examples() -> Mapping[str, tuple[dict[str, Any], ...]]:
    """Return the sample calls with the roles' examples, by method."""
    return {
        method: tuple(filled(each, lambda role: role.example) for each in calls)
        for method, calls in sample_calls().items()
    }


def where_a_row_goes(subject: str) -> str:
    """Say what is to be done for a method that has no sample call.

    Args:
        subject: The folder of operations that it stands in.
    """
    return (
        f"add a row of sample calls to CALLS in tools/sample_calls/{subject}.py, "
        "whose package says what is in one"
    )
