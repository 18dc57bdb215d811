"""The statements that make an object of ours anew, where nothing is lost by them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from autogpt_db.database.provisioning.ours import Difference, Item
from autogpt_db.database.quoting import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

COLUMN = re.compile(
    r"(?P<type>.+?)(?P<required> NOT NULL)?(?P<identity> GENERATED \S+(?: DEFAULT)? AS IDENTITY)?"
    r"(?: DEFAULT (?P<initial>.*))?",
    re.DOTALL,
)
"""A column's definition as `ours` reads it."""
_LABEL = re.compile(r"'(?:[^']|'')*'")


def statements(  # noqa: PLR0911 - one for each kind
    difference: Difference, wanted: Mapping[Item, str]
) -> tuple[str, ...]:
    """Return what makes an object anew; nothing where a person has to decide."""
    item, definition, found = difference
    table, part = quoted(item.owner), quoted(item.name.partition(".")[2])
    name = quoted(item.name)
    match item.kind:
        case "type":
            return tuple(_type(name, definition, found))
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


def _type(name: str, definition: str, found: str | None) -> Iterator[str]:
    """Yield what makes a type, or gives an enum its labels again without changing a value."""
    if found is None:
        yield f"CREATE TYPE autogpt_db.{name} AS {definition}"
        return
    if not (definition.startswith("ENUM ") and found.startswith("ENUM ")):
        return
    wanted, there = _LABEL.findall(definition), _LABEL.findall(found)
    if len(wanted) == len(there):
        # Its place says which one it was; values keep it.
        renamed = {(old, new) for new, old in zip(wanted, there, strict=True) if old != new}
        if not {old for old, _ in renamed} & set(wanted):
            for old, new in sorted(renamed):
                yield f"ALTER TYPE autogpt_db.{name} RENAME VALUE {old} TO {new}"
    elif [label for label in wanted if label in there] == there:
        before: str | None = None
        for label in wanted:
            if label not in there:
                place = f"AFTER {before}" if before else f"BEFORE {there[0]}"
                yield f"ALTER TYPE autogpt_db.{name} ADD VALUE {label} {place}"
            before = label


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
        f"{quoted(item.name.partition('.')[2])} {definition}"
        for item, definition in wanted.items()
        if item.kind == "column" and item.owner == name
    ]
    sequences = [
        item.name
        for item, owner in wanted.items()
        if item.kind == "sequence" and owner.partition(".")[0] == name
    ]
    # A sequence that belongs to the table has gone with it, and a default names it.
    made = [f"CREATE SEQUENCE IF NOT EXISTS autogpt_db.{quoted(each)};" for each in sequences]
    return f"{' '.join(made)} CREATE TABLE autogpt_db.{quoted(name)} ({', '.join(columns)})"


def _column(table: str, column: str, definition: str, found: str) -> tuple[str, ...]:
    """Return what mends a column; nothing where its values would have to change."""
    wanted, there = COLUMN.fullmatch(definition), COLUMN.fullmatch(found)
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
