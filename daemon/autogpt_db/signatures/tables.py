"""Which of AutoGPT's tables a method touches, read off the SQL that its function refers to.

Statements stand beside their functions as constants, put together from literals when a module is
loaded; so whatever texts a function names, itself or through other functions of these rooms, are
all that it can send.
"""

from __future__ import annotations

import inspect
import re
from functools import reduce
from operator import or_
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from autogpt_db.database.capabilities import Capabilities, ForSchema
from autogpt_db.database.needs import Needs
from autogpt_db.database.pool.merged import Merged
from autogpt_db.statements.remembered import key_of, remembered
from autogpt_db.statements.whole import is_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_READ = (
    "autogpt_db.operations",
    "autogpt_db.signatures",
    "autogpt_db.worker.jobs",
    "autogpt_db.rest",
)

# What follows `::` is a type. Tables stand in quotes where they are named like a class.
_MENTIONED = re.compile(r'(?<!::)\bplatform\."?(\w+)"?')
_NAMING = re.compile(rf'{_MENTIONED.pattern}|\w\."\w+"')
"""What names a table, or a column of one."""
_WRITTEN = re.compile(r'\b(?:INSERT INTO|UPDATE|DELETE FROM)\s+platform\."?(\w+)"?')


class Table(NamedTuple):
    """A table or view of AutoGPT's.

    Attributes:
        name: Its name, without the schema.
        written: Whether rows are added, changed or deleted, and not only read.
    """

    name: str
    written: bool


def tables_of(
    function: Callable[..., Any], capabilities: Capabilities | None = None
) -> tuple[Table, ...]:
    """Return the tables that the function's statements name, by name.

    Args:
        function: The function.
        capabilities: What the database has; None for the oldest.
    """
    texts = texts_of(function, capabilities or Capabilities())
    mentioned = {name for text in texts for name in _MENTIONED.findall(text)}
    written = {name for text in texts for name in _WRITTEN.findall(text)}
    return tuple(Table(name, name in written) for name in sorted(mentioned))


def needs_of(function: Callable[..., Any], capabilities: Capabilities) -> Needs:
    """Return what the function's statements need, in the form that fits a database.

    Args:
        function: The function.
        capabilities: What the database has.
    """
    texts = statements_of(function, capabilities)
    needs = remembered(key_of(texts))
    return read_off(texts) if needs is None else needs


def statements_of(function: Callable[..., Any], capabilities: Capabilities) -> set[str]:
    """Return the texts that a function names from which something can be read.

    Args:
        function: The function.
        capabilities: What the database has.
    """
    texts = texts_of(function, capabilities)
    return {text for text in texts if _names_something(text) or is_whole(text)}


def read_off(texts: Iterable[str]) -> Needs:
    """Return what statements need, and what parts of statements need beside them.

    Args:
        texts: As `statements_of` returns them.
    """
    # Most processes read none, because all is remembered.
    from autogpt_db.statements.sql import read, read_parts

    whole = [text for text in texts if is_whole(text)]
    parts = sorted(text for text in texts if not is_whole(text))
    needs = reduce(or_, map(read, whole), Needs())
    return needs | read_parts(parts, needs.tables) if parts else needs


def texts_of(function: Callable[..., Any], capabilities: Capabilities) -> set[str]:
    """Return every text that a function names, SQL or not.

    Args:
        function: The function.
        capabilities: What the database has.
    """
    return set(_texts(function, set(), capabilities))


def _texts(thing: Any, seen: set[int], fit: Capabilities) -> Iterator[str]:
    if isinstance(thing, str):
        yield thing
        return
    for member in _members(thing, fit):
        yield from _texts(member, seen, fit)
    function = inspect.unwrap(thing) if callable(thing) else None
    if isinstance(function, FunctionType) and _is_read(function) and id(function) not in seen:
        seen.add(id(function))
        yield from _texts_of_code(function.__code__, function.__globals__, seen, fit)


def _members(thing: Any, fit: Capabilities) -> Iterable[Any]:
    """Return what may hold texts in something that holds others."""
    match thing:
        case Merged():
            return [text for text in (thing.single, thing.batch, thing.keyed_batch) if text]
        case ForSchema():
            return (thing(fit),)
        case dict():
            return thing.values()
        case tuple() | list():
            return thing
        case type() if _is_read(thing):
            return [one for one in vars(thing).values() if isinstance(one, FunctionType)]
    return ()


def _names_something(text: str) -> bool:
    # What neither stands in is nearly every text, and the pattern would try each of its characters.
    return ("platform." in text or '."' in text) and bool(_NAMING.search(text))


def _is_read(thing: FunctionType | type) -> bool:
    return thing.__module__.startswith(_READ)


def _texts_of_code(
    code: CodeType, scope: dict[str, Any], seen: set[int], fit: Capabilities
) -> Iterator[str]:
    found = [scope[name] for name in code.co_names if name in scope]
    places = [scope, *(vars(thing) for thing in found if isinstance(thing, ModuleType))]
    for place in places:
        for name in code.co_names:
            # Most names are attributes, which stand nowhere here.
            if name in place:
                yield from _texts(place[name], seen, fit)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _texts_of_code(constant, scope, seen, fit)
        elif constant is not None:
            yield from _texts(constant, seen, fit)
