"""The decorator that makes a method of the service out of a function."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from autogpt_db.signatures.registry import Operation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from autogpt_db.database.pool import Database
    from autogpt_db.signatures.repeats import Repeat
    from autogpt_db.signatures.resources import Resource

P = ParamSpec("P")
R = TypeVar("R")

_MARK = "__operation__"


def operation(
    *,
    reads: bool,
    heavy: bool = False,
    at_once: bool = False,
    repeat: Repeat | None = None,
    spares: Collection[str] = (),
    honoured: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    rest: Resource | None = None,
) -> Callable[
    [Callable[Concatenate[Database, P], Awaitable[R]]],
    Callable[Concatenate[Database, P], Awaitable[R]],
]:
    """Make a method of the service out of an async function.

    Its name is the route, its signature the request, its docstring the documentation. It returns a
    plain value, or a finished JSON document: `-> Reply[models.X]`. The function itself stays as it
    is.

    Args:
        reads: True when it only reads.
        heavy: True when it may read much (lists, reports): such calls wait in a lane of their own.
        at_once: True when all it does, beside reading its arguments, is one merged statement with
            an `answer`: calls with idempotency keys are then merged as well.
        repeat: What a repeat without an idempotency key does: `harmless` or `harmful`. Each write
            of the package says so.
        spares: Tables that it does without where they are missing, and then answers less.
        honoured: Arguments that only a database with a capability can honour, and the name of
            that one (`Capabilities`). Elsewhere a call that gives one a value is passed on, or
            refused. Where nothing matches it on an older database, the method says so itself.
        labels: Of enums a label that its arguments name; it is of no use where there is none.
        rest: Where REST shows what it returns, to operators; None for nowhere.

    Raises:
        RegistrationError: The function cannot be served.
    """

    def register(
        function: Callable[Concatenate[Database, P], Awaitable[R]],
    ) -> Callable[Concatenate[Database, P], Awaitable[R]]:
        setattr(
            function,
            _MARK,
            Operation(
                function,
                reads=reads,
                heavy=heavy,
                at_once=at_once,
                repeat=repeat,
                spares=spares,
                honoured=honoured,
                labels=labels,
                rest=rest,
            ),
        )
        return function

    return register


def operation_of(thing: object) -> Operation | None:
    """Return the operation that `thing` was made into by the decorator, if it was."""
    found = getattr(thing, _MARK, None) if inspect.isfunction(thing) else None
    return found if isinstance(found, Operation) else None
