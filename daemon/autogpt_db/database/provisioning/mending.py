"""Making anew what of ours is missing or different, where nothing is lost by it.

Functions, indexes, constraints, triggers and defaults hold no data; a table or column that is gone
has lost its own already. What would take a decision is left, with the statement that makes it.
"""

from __future__ import annotations

from itertools import compress
from typing import TYPE_CHECKING, NamedTuple

import psycopg

from autogpt_db.database.provisioning.ours import (
    Difference,
    Item,
    differences,
    expected,
    histories,
    read_ours,
)
from autogpt_db.database.provisioning.remaking import COLUMN, statements
from autogpt_db.database.quoting import quoted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from typing import Any


_MIGRATE = "`autogpt-db migrate`."
# Duplicate table (an index and a view are tables, too), duplicate object.
_TAKEN = frozenset({"42P07", "42710"})


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
    wanted, todo, strangers = _compared(connection, recorded, schema_name)
    can_be = [bool(statements(difference, wanted)) for difference in todo]
    mended = compress((difference.what for difference in todo), can_be)
    left = compress(map(_left, todo), (not can for can in can_be))
    return Mending(tuple(mended), (*left, *strangers))


def mend(
    connection: psycopg.Connection[Any], recorded: Collection[str], schema_name: str
) -> Mending:
    """Make anew what is missing or different, inside the caller's transaction.

    Args:
        connection: To the database.
        recorded: Names of the migrations that were applied.
        schema_name: The schema of AutoGPT's tables.
    """
    wanted, todo, strangers = _compared(connection, recorded, schema_name)
    mended: list[str] = []
    refused: dict[Item, psycopg.Error | None] = {}
    while todo:
        again = []
        for difference in todo:
            todo_for_it = statements(difference, wanted)
            problem = _tried(connection, todo_for_it)
            if todo_for_it and problem is None:
                mended.append(difference.what)
            else:
                refused[difference.item] = problem
                again.append(difference)
        if len(again) == len(todo):
            break  # what one needs may have been made by a later one
        todo = again
    left = [_left(each, refused[each.item]) for each in todo]
    return Mending(tuple(mended), (*left, *strangers))


def _compared(
    connection: psycopg.Connection[Any], recorded: Collection[str], schema_name: str
) -> tuple[Mapping[Item, str], list[Difference], list[Left]]:
    """Return how ours should be, what differs from that, and what others have added to it."""
    wanted, found = expected(recorded, schema_name), read_ours(connection)
    return wanted, list(differences(wanted, found)), list(_strangers(wanted, found))


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


def _tried(connection: psycopg.Connection[Any], todo: Sequence[str]) -> psycopg.Error | None:
    """Send statements, all or none; return why they failed, or None."""
    try:
        with connection.transaction():
            for statement in todo:
                connection.execute(statement.encode())
    except psycopg.OperationalError:
        raise  # an outage, or a lock that wasn't had in time: tried again as a whole
    except psycopg.Error as error:
        return error
    return None


def _left(difference: Difference, problem: psycopg.Error | None = None) -> Left:
    item, definition, found = difference
    said = problem.diag.message_primary or "PostgreSQL refuses it" if problem is not None else ""
    what = difference.what + (f", and cannot be made anew: {said}" if said else "")
    table, part = quoted(item.owner), quoted(item.name.partition(".")[2])
    if problem is not None and problem.sqlstate in _TAKEN:
        # Any kind of relation is renamed by this; a type, which is none, is never in the way here.
        name = part if item.kind == "constraint" else quoted(item.name)
        remedy = f"ALTER TABLE autogpt_db.{name} RENAME TO {_aside(name)}; then {_MIGRATE}"
    elif item.kind == "type":
        name = quoted(item.name)
        remedy = f"ALTER TYPE autogpt_db.{name} RENAME TO {_aside(name)}; then {_MIGRATE}"
    elif item.kind == "column" and found is not None and problem is None:
        kind = COLUMN.fullmatch(definition)
        assert kind is not None, "a type at least"
        remedy = (
            f"ALTER TABLE autogpt_db.{table} ALTER COLUMN {part} TYPE {kind['type']} "
            f"USING {part}::text::{kind['type']}; if its values allow it, then {_MIGRATE}"
        )
    elif item.kind == "function":
        remedy = f"DROP FUNCTION autogpt_db.{item.name}; then {_MIGRATE}"
    elif item.kind in {"column", "constraint", "index"}:
        remedy = f"Correct the rows of autogpt_db.{table} (or delete them), then {_MIGRATE}"
    else:
        remedy = f"Rename what is there (autogpt_db.{item.name}), then {_MIGRATE}"
    return Left(what, remedy, item.subject)


def _aside(name: str) -> str:
    return f'{name[:-1]}_put_aside"'


def _strangers(wanted: Mapping[Item, str], found: Mapping[Item, str]) -> Iterator[Left]:
    """Yield what somebody has added to our tables that may refuse our rows."""
    tables = {item.name for item in wanted if item.kind == "table"}
    for item, definition in found.items():
        if item in wanted or item.owner not in tables:
            continue
        table, part = quoted(item.owner), quoted(item.name.partition(".")[2])
        column = COLUMN.fullmatch(definition) if item.kind == "column" else None
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
            remedy = f"DROP INDEX autogpt_db.{quoted(item.name)};"
        else:
            continue
        yield Left(f"{item.shown} is not ours, and may refuse our rows", remedy, item.owner)
