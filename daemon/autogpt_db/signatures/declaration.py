"""What is read off an operation's function, and refused where it cannot be served."""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from autogpt_db.database.pool import Database
from autogpt_db.errors import AutogptDbError
from autogpt_db.signatures.annotations import shape_of
from autogpt_db.signatures.arguments import ParameterShape
from autogpt_db.signatures.bounds import limit_of

AnyFunction = Callable[..., Awaitable[Any]]

WITHOUT_DOCSTRINGS = 2
"""Level of Python's optimization (PYTHONOPTIMIZE) from which on there are none."""


class RegistrationError(AutogptDbError):
    """An operation or job that cannot be used as it is written; a bug, found when it is loaded."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of an operation, for its documentation.

    Attributes:
        name: Its key in the request's object.
        required: Whether the request must have it.
        default: What stands for an absent one.
        annotation: Its type as the signature writes it.
        schema: Its JSON schema.
        limit: The option of `limits` that bounds a number, if one does.
    """

    name: str
    required: bool
    default: Any
    annotation: str
    schema: dict[str, Any]
    limit: str | None = None


def docstring_of(function: AnyFunction) -> str:
    """Return a function's docstring; "" where Python keeps none.

    Raises:
        RegistrationError: It has none, or is no `async def` function.
    """
    if not inspect.iscoroutinefunction(function):
        raise RegistrationError(f"{place_of(function)} must be an `async def` function.")
    text = inspect.getdoc(function)
    if not text and sys.flags.optimize < WITHOUT_DOCSTRINGS:
        raise RegistrationError(
            f"{place_of(function)} needs a docstring: it is the method's documentation."
        )
    return text or ""


def parameters_of(
    function: AnyFunction, signature: inspect.Signature
) -> dict[str, inspect.Parameter]:
    """Return a function's parameters behind the database, by name.

    Raises:
        RegistrationError: It has others than the wire can carry.
    """
    database, *arguments = signature.parameters.values() or (None,)
    if database is None or database.name != "database":
        raise RegistrationError(
            f"{place_of(function)} must take `database: Database` as its first parameter."
        )
    for argument in arguments:
        if argument.kind in {argument.VAR_POSITIONAL, argument.VAR_KEYWORD}:
            raise RegistrationError(
                f"{place_of(function)} cannot take `{argument}`: the wire has named arguments only."
            )
    return {argument.name: argument for argument in arguments}


def shapes_of(
    function: AnyFunction, arguments: dict[str, inspect.Parameter]
) -> tuple[ParameterShape, ...]:
    """Return how each parameter is read.

    Raises:
        RegistrationError: One has a type that cannot be served.
    """
    try:
        hints = hints_of(function, arguments)
        return tuple(
            ParameterShape(name, shape_of(hints[name]), argument.default, limit_of(hints[name]))
            for name, argument in arguments.items()
        )
    except (NameError, KeyError, TypeError) as error:
        raise RegistrationError(
            f"{place_of(function)} has an argument whose type cannot be served: {error}. Import "
            "the type at run time and use those of autogpt_db.signatures.types."
        ) from error


def described(
    shapes: Iterable[ParameterShape], written: inspect.Signature
) -> tuple[Parameter, ...]:
    """Return parameters as documentation shows them.

    Args:
        shapes: How each is read.
        written: How they are written.
    """
    return tuple(
        Parameter(
            name=shape.name,
            required=shape.required,
            default=shape.default,
            annotation=inspect.formatannotation(written.parameters[shape.name].annotation).strip(
                "'"
            ),
            schema=shape.shape.schema(),
            limit=shape.limit,
        )
        for shape in shapes
    )


def hints_of(function: AnyFunction, names: Iterable[str]) -> dict[str, Any]:
    """Return the types of some of a function's parameters, or of its `return`, as objects.

    Of the rest nothing is looked up: what an operation returns matters to documentation alone, and
    a type checker's other imports are not there at run time.

    Args:
        function: The function.
        names: Which.

    Raises:
        NameError, AttributeError, TypeError: One names something that isn't there.
        KeyError: One has no annotation.
    """
    wanted = SimpleNamespace(
        __annotations__={name: function.__annotations__[name] for name in names}
    )
    known = {"Database": Database, **function.__globals__}
    return typing.get_type_hints(wanted, known, include_extras=True)


def place_of(function: AnyFunction) -> str:
    """Name a function in a message."""
    return f"The operation {function.__module__}.{function.__qualname__}"
