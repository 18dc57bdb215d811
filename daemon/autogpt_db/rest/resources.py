"""What REST serves: operations that say so, and views, which are operations of REST's own."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import typing
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from autogpt_db.operations import Operation, RegistrationError, Reply, Resource, load_operations
from autogpt_db.rest.shown import secrets_in, shown
from autogpt_db.signatures.declaration import hints_of, place_of
from autogpt_db.signatures.docstring import read_docstring

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping

    from autogpt_db.database.pool import Database

P = ParamSpec("P")
R = TypeVar("R")

_MARK = "__view__"
_VIEWS = "autogpt_db.rest.views"


def view(
    resource: Resource, *, heavy: bool = False
) -> Callable[
    [Callable[Concatenate[Database, P], Awaitable[R]]],
    Callable[Concatenate[Database, P], Awaitable[R]],
]:
    """Make an operation of REST's own out of an async function, which only reads.

    Args:
        resource: Where it stands.
        heavy: True when it may read much: such calls wait in a lane of their own.

    Raises:
        RegistrationError: The function cannot be served.
    """

    def register(
        function: Callable[Concatenate[Database, P], Awaitable[R]],
    ) -> Callable[Concatenate[Database, P], Awaitable[R]]:
        setattr(function, _MARK, Operation(function, reads=True, heavy=heavy, rest=resource))
        return function

    return register


def load_resources(operations: Mapping[str, Operation] | None = None) -> Mapping[str, Operation]:
    """Return what REST serves by its path below `/v1`, fixed paths before those with arguments.

    Args:
        operations: The service's methods, by name; None stands for all.

    Raises:
        RegistrationError: One of them returns a secret, or what has no declared form; or two have
            one path.
    """
    declared = load_operations() if operations is None else operations
    found: dict[str, Operation] = {}
    for operation in (*_declaring(declared.values()), *_views()):
        resource = resource_of(operation)
        if resource.path in found:
            raise RegistrationError(
                f"{operation.name} and {found[resource.path].name} both stand at {resource.path}."
            )
        check_shown(operation)
        found[resource.path] = operation
    return {path: found[path] for path in sorted(found, key=_order)}


def resource_of(operation: Operation) -> Resource:
    """Return where an operation stands, of one that does."""
    assert operation.rest is not None, operation.name
    return operation.rest


def paragraphs_of(operation: Operation) -> tuple[str, ...]:
    """Return what a resource is, in paragraphs of a line each, the first a sentence."""
    resource = resource_of(operation)
    if resource.summary is not None:
        return (resource.summary,)
    return read_docstring(operation.description).paragraphs


def type_of(operation: Operation) -> Any:
    """Return the type of the document that an operation returns; its models are loaded for it."""
    hint = hints_of(operation.function, ("return",))["return"]
    return typing.get_args(hint)[0] if typing.get_origin(hint) is Reply else hint


def check_shown(operation: Operation) -> None:
    """Refuse an operation that no onlooker may see.

    Raises:
        RegistrationError: It returns a secret, or what has no declared form.
    """
    annotation = type_of(operation)
    if secrets := secrets_in(annotation):
        raise RegistrationError(
            f"{place_of(operation.function)} returns secrets ({', '.join(secrets)}): REST shows "
            "none. Write a view without them."
        )
    try:
        shown(annotation, content=False)
    except TypeError as error:
        raise RegistrationError(
            f"{place_of(operation.function)} returns what REST cannot show: {error}."
        ) from error


def _declaring(operations: Iterable[Operation]) -> Iterator[Operation]:
    return (operation for operation in operations if operation.rest is not None)


def _views() -> Iterator[Operation]:
    package = importlib.import_module(_VIEWS)
    for each in pkgutil.iter_modules(package.__path__, f"{_VIEWS}."):
        module = importlib.import_module(each.name)
        for thing in vars(module).values():
            if inspect.isfunction(thing) and thing.__module__ == module.__name__:
                found = getattr(thing, _MARK, None)
                if isinstance(found, Operation):
                    yield found


def _order(path: str) -> list[tuple[bool, str]]:
    return [(part.startswith("{"), part) for part in path.split("/")]
