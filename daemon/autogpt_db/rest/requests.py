"""From a request's path and query to an operation's arguments, and what is wrong with them."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

import msgspec

from autogpt_db.errors import ArgumentsInvalidError, ArgumentsUnfitError, InvalidValueError
from autogpt_db.rest.resources import resource_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from autogpt_db.errors import Unfit
    from autogpt_db.operations import Operation, Resource
    from autogpt_db.operations import Parameter as OperationParameter
    from autogpt_db.settings import LimitsSettings

CURSOR = "cursor"
LIMIT = "limit"
MOST_PARAMETERS = 200
"""Names and values in a query."""
_TWICE = "It is given twice."
_CURSOR_FAULT = "It is no cursor of this list: take it from the Link header of its last page."


class ParametersInvalidError(Exception):
    """A request's parameters don't fit.

    Attributes:
        faults: What is wrong, by parameter.
    """

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        self.faults = faults
        super().__init__("; ".join(f"{name}: {text}" for name, text in faults))


def query_parameters(operation: Operation) -> list[OperationParameter]:
    """Return the arguments that a client may give in the query."""
    resource = resource_of(operation)
    others = {*resource.placeholders, *resource.given, *resource.continuations, resource.content}
    return [each for each in operation.parameters if each.name not in others]


def takes_null(parameter: OperationParameter) -> bool:
    """Tell whether nothing stands for an argument that isn't given."""
    return {"type": "null"} in parameter.schema.get("anyOf", ())


def takes_several(parameter: OperationParameter) -> bool:
    """Tell whether an argument may be given several times, as a list."""
    kinds = parameter.schema.get("anyOf", [parameter.schema])
    return any(kind.get("type") == "array" for kind in kinds)


def arguments_of(
    operation: Operation,
    path: Mapping[str, str],
    query: str,
    limits: LimitsSettings,
    *,
    content: bool,
) -> dict[str, Any]:
    """Return an operation's arguments.

    Args:
        operation: What is asked for.
        path: The arguments that stand in the path.
        query: The query, as it came.
        limits: Bound them.
        content: Whether users' content is shown.

    Raises:
        ParametersInvalidError: They don't fit; each is named.
        InvalidValueError: The query cannot be read.
    """
    resource = resource_of(operation)
    given: dict[str, Any] = {**path, **resource.given}
    if resource.content:
        given[resource.content] = content
    parameters = {each.name: each for each in query_parameters(operation)}
    given |= _from_query(operation, query, parameters)
    for name, parameter in parameters.items():
        if name not in given and parameter.required and takes_null(parameter):
            given[name] = None
    try:
        arguments = operation.decode(msgspec.json.encode(given), limits)
    except ArgumentsInvalidError as error:
        faults = [_fault(each, resource.continuations) for each in error.detail]
        raise ParametersInvalidError(list(dict.fromkeys(faults))) from error
    except ArgumentsUnfitError as error:
        raise parameters_unfit(operation, error) from error
    if resource.pages_by and not 1 <= arguments[LIMIT] <= limits.page_size:
        raise ParametersInvalidError(
            [(LIMIT, f"It is a number from 1 to {limits.page_size} (limits.page_size).")]
        )
    return arguments


def _from_query(
    operation: Operation, query: str, parameters: Mapping[str, OperationParameter]
) -> dict[str, Any]:
    resource = resource_of(operation)
    given: dict[str, Any] = {}
    faults: list[tuple[str, str]] = []
    for name, value in _pairs(query):
        parameter = parameters.get(name)
        if name == CURSOR and resource.pages_by and CURSOR not in given:
            given[CURSOR] = value
        elif parameter is None or (name in given and not takes_several(parameter)):
            faults.append((name, _TWICE if name in given else _unknown(parameters, resource)))
        elif takes_several(parameter):
            given.setdefault(name, []).append(value)
        else:
            given[name] = value
    if faults:
        raise ParametersInvalidError(faults)
    if (cursor := given.pop(CURSOR, None)) is not None:
        given |= zip(resource.continuations, _values_of(cursor, resource.pages_by), strict=True)
    return given


def _unknown(parameters: Iterable[str], resource: Resource) -> str:
    known = [*parameters, *([CURSOR] if resource.pages_by else [])]
    return f"There is no such parameter here; there are: {', '.join(known) or 'none'}."


def _pairs(query: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            query, keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS
        )
    except UnicodeDecodeError as error:
        raise InvalidValueError("The query is not UTF-8.") from error
    except ValueError as error:
        raise InvalidValueError(
            f"The query has more than {MOST_PARAMETERS} parameters, which is the most."
        ) from error


def _fault(entry: Mapping[str, Any], continuations: tuple[str, ...]) -> tuple[str, str]:
    name = str(entry["loc"][1]) if len(entry["loc"]) > 1 else "query"
    if name in continuations:
        return CURSOR, _CURSOR_FAULT
    return name, str(entry["msg"])


def parameters_unfit(operation: Operation, error: ArgumentsUnfitError) -> ParametersInvalidError:
    """Return which parameters an operation's arguments came in that it cannot take.

    Args:
        operation: What was asked for.
        error: What it, or the reading of its arguments, has raised.
    """
    continuations = resource_of(operation).continuations
    faults = [_unfit(each, continuations) for each in error.unfit]
    return ParametersInvalidError(list(dict.fromkeys(faults)))


def _unfit(found: Unfit, continuations: tuple[str, ...]) -> tuple[str, str]:
    if found.argument in continuations:
        return CURSOR, _CURSOR_FAULT
    what = "It" if found.place == found.argument else found.place
    return found.argument, f"{what} {found.reason}."


def cursor_behind(document: msgspec.Raw, pages_by: tuple[str, ...]) -> str:
    """Return the cursor of what follows a document.

    Args:
        document: The page's last.
        pages_by: The members that order the list.
    """
    members = msgspec.json.decode(document, type=dict[str, msgspec.Raw])
    values = msgspec.json.encode([members[name] for name in pages_by])
    return base64.urlsafe_b64encode(values).rstrip(b"=").decode()


def _values_of(cursor: str, pages_by: tuple[str, ...]) -> list[Any]:
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        values = msgspec.json.decode(
            base64.b64decode(padded, altchars=b"-_", validate=True), type=list[str | int]
        )
    except (binascii.Error, UnicodeError, msgspec.DecodeError) as error:
        raise ParametersInvalidError([(CURSOR, _CURSOR_FAULT)]) from error
    if len(values) != len(pages_by):
        raise ParametersInvalidError([(CURSOR, _CURSOR_FAULT)])
    return values


def query_with_cursor(query: str, cursor: str | None) -> str:
    """Return a query that asks for another page of the same list.

    Args:
        query: The one that asked for this page.
        cursor: Where the page begins; None for the first.
    """
    pairs = [(name, value) for name, value in _pairs(query) if name != CURSOR]
    return urlencode([*pairs, *([(CURSOR, cursor)] if cursor is not None else [])])
