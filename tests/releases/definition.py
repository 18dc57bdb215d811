"""A catalogue as the statements that make it, laid out to be read.

Names are qualified with `platform`; the extensions' own types and operator classes are not, so the
schemas they live in must be on the search path.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from releases.catalogues import DIRECTORY, STATES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Catalogue = dict[str, Any]

_ENUM = re.compile(r'(?<!\.)"(\w+)"(?=\[\]$|$)')
_CAST = re.compile(r'::"')
_SEQUENCE = re.compile(r"nextval\('\"")


def statements(catalogue: Catalogue) -> Iterator[str]:
    """Yield everything that makes the catalogue in a database with nothing in it."""
    for schema in catalogue["schemas"]:
        if schema != "public":
            yield f"CREATE SCHEMA IF NOT EXISTS {schema};"
    yield from extensions(catalogue["extensions"])
    for name, labels in catalogue["enums"].items():
        yield enum(name, labels)
    yield from (f'CREATE SEQUENCE platform."{name}";' for name in catalogue["sequences"])
    for name, facts in catalogue["tables"].items():
        yield table(name, facts)
    for one in catalogue["functions"]:
        yield written(one["name"], catalogue)
    for name, facts in catalogue["tables"].items():
        yield from (index(name, one) for one in facts.get("indexes", ()))
    for name, facts in catalogue["tables"].items():
        yield from (foreign_key(name, one) for one in facts.get("foreign_keys", ()))
    yield from (trigger(one) for one in catalogue["triggers"])
    yield from views(catalogue, catalogue["views"])


def extensions(places: dict[str, str]) -> Iterator[str]:
    """Yield what makes the extensions; one that is there already stays where it is."""
    for name, schema in places.items():
        yield f"CREATE EXTENSION IF NOT EXISTS {name} SCHEMA {schema};"


def enum(name: str, labels: Iterable[str]) -> str:
    """Return what makes an enum."""
    listed = ",\n".join(f"    '{label}'" for label in labels)
    return f'CREATE TYPE platform."{name}" AS ENUM (\n{listed}\n);'


def table(name: str, facts: dict[str, Any]) -> str:
    """Return what makes a table with its columns and own constraints."""
    lines = [column(one) for one in facts["columns"]]
    key, columns = facts["primary_key"]
    lines.append(f'CONSTRAINT "{key}" PRIMARY KEY ({names(columns)})')
    lines += [f'CONSTRAINT "{one}" UNIQUE ({names(of)})' for one, of in facts.get("unique", ())]
    lines += [check(one) for one in facts.get("checks", ())]
    body = ",\n".join(f"    {line}" for line in lines)
    return f'CREATE TABLE platform."{name}" (\n{body}\n);'


def column(facts: list[str]) -> str:
    """Return a column's definition."""
    name, kind, null, *default = facts
    words = [f'"{name}"', data_type(kind)]
    if not null:
        words.append("NOT NULL")
    words += [f"DEFAULT {expression(one)}" for one in default]
    return " ".join(words)


def data_type(text: str) -> str:
    """Return a type's name, an enum's with its schema."""
    return _ENUM.sub(r'platform."\1"', text).replace(" without time zone", "")


def expression(text: str) -> str:
    """Return an expression with the schema at its casts to enums."""
    return _SEQUENCE.sub("nextval('platform.\"", _CAST.sub('::platform."', text))


def check(facts: list[str]) -> str:
    """Return a check's definition."""
    name, condition = facts
    return f'CONSTRAINT "{name}" CHECK {expression(condition)}'


def index(on: str, facts: list[Any]) -> str:
    """Return what makes an index; keys carry operator class and order after their column."""
    name, method, keys, *rest = facts
    extra = rest[0] if rest else {}
    *unique, access = method.split()
    using = "" if access == "btree" else f" USING {access}"
    target = on if on.startswith("mv_") else f'"{on}"'
    text = (
        f'CREATE {"UNIQUE " if unique else ""}INDEX "{name}"\n'
        f"    ON platform.{target}{using} ({', '.join(index_key(key) for key in keys)})"
    )
    assert set(extra) <= {"where", "nulls_not_distinct"}, extra
    if extra.get("nulls_not_distinct"):
        text += " NULLS NOT DISTINCT"
    if "where" in extra:
        text += f"\n    WHERE {expression(extra['where'])}"
    return f"{text};"


def index_key(key: str) -> str:
    """Return one key of an index."""
    assert not key.startswith("="), key
    name, _, rest = key.partition(" ")
    return f'"{name}" {rest}'.rstrip()


def foreign_key(on: str, facts: list[Any]) -> str:
    """Return what makes a foreign key."""
    name, columns, target, keys, delete, update = facts
    lines = [
        f'ALTER TABLE platform."{on}"',
        f'    ADD CONSTRAINT "{name}" FOREIGN KEY ({names(columns)})',
        f'    REFERENCES platform."{target}" ({names(keys)})',
    ]
    actions = [("UPDATE", update), ("DELETE", delete)]
    acts = [f"ON {event} {action}" for event, action in actions if action != "NO ACTION"]
    if acts:
        lines.append(f"    {' '.join(acts)}")
    return "\n".join(lines) + ";"


def trigger(facts: dict[str, str]) -> str:
    """Return what makes a trigger."""
    when, _, each = facts["when"].partition(" FOR EACH ")
    return (
        f"CREATE TRIGGER {facts['name']}\n"
        f'    {when} ON platform."{facts["table"]}"\n'
        f"    FOR EACH {each} EXECUTE FUNCTION platform.{facts['function']}();"
    )


def views(catalogue: Catalogue, wanted: Iterable[str]) -> Iterator[str]:
    """Yield what makes these views with their indexes, each after those that it reads."""
    waiting = list(wanted)
    while waiting:
        for name in waiting:
            facts = catalogue["views"][name]
            if not set(facts["reads"]) & set(waiting):
                yield written(name, catalogue)
                yield from (index(name, one) for one in facts.get("indexes", ()))
                waiting.remove(name)
                break
        else:
            raise AssertionError(f"views that read each other: {waiting}")


def names(columns: Iterable[str]) -> str:
    """Return columns' names as a list."""
    return ", ".join(f'"{one}"' for one in columns)


def written(name: str, catalogue: Catalogue) -> str:
    """Return the text of a view or function as it is in the catalogue's state."""
    return (DIRECTORY / "sql" / f"{name}.{since(name, state_of(catalogue))}.sql").read_text("utf-8")


def state_of(catalogue: Catalogue) -> str:
    """Return the name of the state that a catalogue is of."""
    release = catalogue["release"]
    return next(state for state in STATES if state.removeprefix("v") == release)


def since(name: str, state: str) -> str:
    """Return the state that brought the text which a view or function has in `state`."""
    known = [one for one in _texts(name) if STATES.index(one) <= STATES.index(state)]
    assert known, f"{name} is not written out for {state}"
    return max(known, key=STATES.index)


@cache
def _texts(name: str) -> tuple[str, ...]:
    found = (DIRECTORY / "sql").glob(f"{name}.*.sql")
    return tuple(path.name.removesuffix(".sql").removeprefix(f"{name}.") for path in found)
