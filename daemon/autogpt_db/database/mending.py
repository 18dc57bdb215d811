"""Making anew what of ours is missing or different, where nothing is lost by it.

Functions, indexes, constraints, triggers and defaults hold no data; a table or column that is gone
has lost its own already. What would take a decision is left, with the statement that makes it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import psycopg

from autogpt_db.database.ours import (
    Difference,
    Item,
    differences,
    expected,
    histories,
    read_ours,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from typing import Any

_COLUMN = re.compile(
    r"(?P<type>.+?)(?P<required> NOT NULL)?(?P<identity> GENERATED \S+(?: DEFAULT)? AS IDENTITY)?"
    r"(?: DEFAULT (?P<initial>.*))?",
    re.DOTALL,
)


class Left(NamedTuple):
    """Something of ours that isn't mended.

    Attributes:
        what: What is wrong, in words.
        remedy: What a person does about it.
        subject: The name that statements use it by.
    """

    what: str
    remedy: str
    subject: str


class Mending(NamedTuple):
    """What was found, and what became of it.

    Attributes:
        mended: What was made anew, in words.
        left: What was not.
    """

    mended: tuple[str, ...] = ()
    left: tuple[Left, ...] = ()


def look(
    connection: psycopg.Connection[Any], recorded: Collection[str], schema_name: str
) -> Mending:
    """Return what `mend` would do, as far as that can be told; change nothing.

    Args:
        connection: To the database.
        recorded: Names of the migrations that were applied.
        schema_name: The schema of AutoGPT's tables.
    """
    wanted, found = expected(recorded, schema_name), read_ours(connection)
    mended, left = [], [*_strangers(wanted, found)]
    for difference in differences(wanted, found):
        if _statements(difference, wanted):
            mended.append(difference.what)
        else:
            left.append(_left(difference))
    return Mending(tuple(mended), tuple(left))


def mend(
    connection: psycopg.Connection[Any], recorded: Collection[str], schema_name: str
) -> Mending:
    """Make anew what is missing or different, inside the caller's transaction.

    Args:
        connection: To the database.
        recorded: Names of the migrations that were applied.
        schema_name: The schema of AutoGPT's tables.
    """
    wanted, found = expected(recorded, schema_name), read_ours(connection)
    todo = list(differences(wanted, found))
    mended: list[str] = []
    refused: dict[Item, str] = {}
    while todo:
        again = []
        for difference in todo:
            problem = _tried(connection, _statements(difference, wanted))
            if problem is None:
                mended.append(difference.what)
            else:
                refused[difference.item] = problem
                again.append(difference)
        if len(again) == len(todo):
            break  # what one needs may have been made by a later one
        todo = again
    left = [_left(each, refused[each.item]) for each in todo]
    return Mending(tuple(mended), (*left, *_strangers(wanted, found)))


def unrecorded(connection: psycopg.Connection[Any], recorded: Collection[str]) -> frozenset[str]:
    """Return migrations that were applied, as what they have made shows, and are on no record.

    Args:
        connection: To the database.
        recorded: Names of those that are.
    """
    found = read_ours(connection)
    there: dict[str, int] = {}
    made: dict[str, int] = {}
    for history in histories():
        first = history.steps[0].migration
        item = Item(history.kind, history.name, history.owner)
        made[first] = made.get(first, 0) + 1
        # A migration is all or nothing; the names alone might be somebody else's.
        same = any(step.definition == found.get(item) for step in history.steps)
        there[first] = there.get(first, 0) + (item in found and same)
    return frozenset(name for name, count in made.items() if there[name] * 2 >= count) - set(
        recorded
    )


def _tried(connection: psycopg.Connection[Any], statements: Sequence[str]) -> str | None:
    """Send statements, all or none; return why they failed, or None."""
    if not statements:
        return ""
    try:
        with connection.transaction():
            for statement in statements:
                connection.execute(statement.encode())
    except psycopg.OperationalError:
        raise  # an outage, or a lock that wasn't had in time: tried again as a whole
    except psycopg.Error as error:
        return error.diag.message_primary or "PostgreSQL refuses it"
    return None


def _statements(  # noqa: PLR0911 - one for each kind
    difference: Difference, wanted: Mapping[Item, str]
) -> tuple[str, ...]:
    """Return what makes an object anew; nothing where a person has to decide."""
    item, definition, found = difference
    table, part = _quoted(item.owner), _quoted(item.name.partition(".")[2])
    name = _quoted(item.name)
    match item.kind:
        case "type" if found is None:
            return (f"CREATE TYPE autogpt_db.{name} AS {definition}",)
        case "sequence" if found is None:
            return _sequence(name, definition, wanted)
        case "table":
            return (_table(item.name, wanted),)
        case "column" if found is None:
            return (f"ALTER TABLE autogpt_db.{table} ADD COLUMN {part} {definition}",)
        case "column":
            return _column(table, part, definition, found or "")
        case "function":
            grant = f"GRANT EXECUTE ON FUNCTION autogpt_db.{item.name} TO CURRENT_USER"
            return (definition, grant) if found is None else (grant, definition)
        case "constraint":
            drop = f"ALTER TABLE autogpt_db.{table} DROP CONSTRAINT {part}"
            add = f"ALTER TABLE autogpt_db.{table} ADD CONSTRAINT {part} {definition}"
            return (add,) if found is None else (drop, add)
        case "index":
            return (definition,) if found is None else (f"DROP INDEX autogpt_db.{name}", definition)
        case "trigger":
            drop = f"DROP TRIGGER {part} ON autogpt_db.{table}"
            return (definition,) if found is None else (drop, definition)
    return ()


def _sequence(name: str, owner: str, wanted: Mapping[Item, str]) -> tuple[str, ...]:
    made = f"CREATE SEQUENCE IF NOT EXISTS autogpt_db.{name}"
    table, _, column = owner.partition(".")
    if not owner or Item("column", owner, table) not in wanted:
        return (made,)
    # Beyond what was given out; where the table is gone as well, it comes first.
    given_out = f"coalesce((SELECT max({column}) FROM autogpt_db.{table}), 0)"
    return (
        made,
        f"SELECT setval('autogpt_db.{name}', {given_out} + 1, false)",
        f"ALTER SEQUENCE autogpt_db.{name} OWNED BY autogpt_db.{table}.{column}",
    )


def _table(name: str, wanted: Mapping[Item, str]) -> str:
    columns = [
        f"{_quoted(item.name.partition('.')[2])} {definition}"
        for item, definition in wanted.items()
        if item.kind == "column" and item.owner == name
    ]
    sequences = [
        item.name
        for item, owner in wanted.items()
        if item.kind == "sequence" and owner.partition(".")[0] == name
    ]
    # A sequence that belongs to the table has gone with it, and a default names it.
    made = [f"CREATE SEQUENCE IF NOT EXISTS autogpt_db.{_quoted(each)};" for each in sequences]
    return f"{' '.join(made)} CREATE TABLE autogpt_db.{_quoted(name)} ({', '.join(columns)})"


def _column(table: str, column: str, definition: str, found: str) -> tuple[str, ...]:
    """Return what mends a column; nothing where its values would have to change."""
    wanted, there = _COLUMN.fullmatch(definition), _COLUMN.fullmatch(found)
    assert wanted is not None, "a type at least"
    assert there is not None, "a type at least"
    if wanted["type"] != there["type"] or wanted["identity"] != there["identity"]:
        return ()
    alter = f"ALTER TABLE autogpt_db.{table} ALTER COLUMN {column}"
    steps = []
    if wanted["initial"] != there["initial"]:
        initial = wanted["initial"]
        steps.append(
            f"{alter} DROP DEFAULT" if initial is None else f"{alter} SET DEFAULT {initial}"
        )
    if wanted["required"] != there["required"]:
        steps.append(f"{alter} {'SET' if wanted['required'] else 'DROP'} NOT NULL")
    return tuple(steps)


def _left(difference: Difference, problem: str = "") -> Left:
    item, definition, _ = difference
    what = difference.what + (f", and cannot be made anew: {problem}" if problem else "")
    table, part = _quoted(item.owner), _quoted(item.name.partition(".")[2])
    if item.kind == "column" and difference.found is not None and not problem:
        kind = _COLUMN.fullmatch(definition)
        assert kind is not None, "a type at least"
        remedy = (
            f"ALTER TABLE autogpt_db.{table} ALTER COLUMN {part} TYPE {kind['type']} "
            f"USING {part}::text::{kind['type']}; if its values allow it, and migrate again."
        )
    elif item.kind == "function":
        remedy = f"DROP FUNCTION autogpt_db.{item.name}; then: autogpt-db migrate"
    elif item.kind in {"column", "constraint", "index"}:
        remedy = f"Correct the rows of autogpt_db.{table} (or delete them), then migrate again."
    else:
        remedy = f"Rename what is there (autogpt_db.{item.name}), then: autogpt-db migrate"
    return Left(what, remedy, item.subject)


def _strangers(wanted: Mapping[Item, str], found: Mapping[Item, str]) -> Iterator[Left]:
    """Yield what somebody has added to our tables that may refuse our rows."""
    tables = {item.name for item in wanted if item.kind == "table"}
    for item, definition in found.items():
        if item in wanted or item.owner not in tables:
            continue
        table, part = _quoted(item.owner), _quoted(item.name.partition(".")[2])
        column = _COLUMN.fullmatch(definition) if item.kind == "column" else None
        if (
            column is not None
            and column["required"]
            and not (column["initial"] or column["identity"])
        ):
            remedy = f"ALTER TABLE autogpt_db.{table} ALTER COLUMN {part} DROP NOT NULL;"
        elif item.kind == "constraint":
            remedy = f"ALTER TABLE autogpt_db.{table} DROP CONSTRAINT {part};"
        elif item.kind == "trigger":
            remedy = f"DROP TRIGGER {part} ON autogpt_db.{table};"
        elif item.kind == "index" and definition.startswith("CREATE UNIQUE"):
            remedy = f"DROP INDEX autogpt_db.{_quoted(item.name)};"
        else:
            continue
        yield Left(f"{item.shown} is not ours, and may refuse our rows", remedy, item.owner)


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
