"""What a release's calls leave in the tables, compared with what a real server left there.

Many writes are read back by no call. Ids that a server makes, and times, are left out of the rows;
where somebody belongs is said by names.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
from cryptography.fernet import Fernet, InvalidToken

from releases.building import ENCRYPTION_KEY
from releases.catalogues import DIRECTORY
from releases.final_rows import ROWS

if TYPE_CHECKING:
    from collections.abc import Collection

    from releases.known import Otherwise

Row = dict[str, Any]
State = dict[str, list[Row]]
"""The rows of each table."""

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_SEEDED_ID = "aaaaaaaa-"


class Mismatch(NamedTuple):
    """What is not as recorded, nor listed as different.

    Attributes:
        table: Where.
        wanted: Rows that only the recorded server left.
        found: Rows that only ours left.
        idle: Entries of the list that fit no row: they have to leave it.
    """

    table: str
    wanted: list[Row]
    found: list[Row]
    idle: list[Otherwise]


def read(url: str) -> State:
    """Return the rows of a database, made comparable."""
    with psycopg.connect(url) as connection:
        connection.execute("SET search_path TO platform")
        return {
            table: [
                _comparable(row)
                for (row,) in connection.execute(f"SELECT to_jsonb(it) FROM ({query}) AS it")
            ]
            for table, query in ROWS.items()
        }


def recorded(state: str) -> State:
    """Return the rows that a real server left after a state's calls."""
    found: State = json.loads((DIRECTORY / state / "final-state.json").read_text("utf-8"))
    return found


def compare(
    wanted: State,
    found: State,
    before: State,
    *,
    untouched: Collection[str],
    otherwise: Collection[Otherwise],
) -> list[Mismatch]:
    """Return the tables whose rows are neither as recorded nor as listed.

    Args:
        wanted: The rows as recorded.
        found: Those that our server left.
        before: Those that the calls started from.
        untouched: Tables in which we change nothing, as their methods aren't served.
        otherwise: Rows that differ in other tables.
    """
    assert wanted.keys() == found.keys() == before.keys()
    mismatches = []
    for table in sorted(wanted):
        listed = [each for each in otherwise if each.table == table]
        if table in untouched:
            assert not listed, table
            assert _counted(wanted[table]) != _counted(before[table]), f"{table}: as recorded now"
            here = _left(found[table], before[table])
            there = _left(before[table], found[table])
            idle: list[Otherwise] = []
        else:
            here = _left(found[table], wanted[table])
            there = _left(wanted[table], found[table])
            idle = [each for each in listed if not _explained(each, there, here)]
        if there or here or idle:
            mismatches.append(Mismatch(table, there, here, idle))
    return mismatches


def _comparable(row: Row) -> Row:
    payload = row.pop("encryptedPayload", None)
    if payload is not None:
        try:
            row["payload"] = json.loads(Fernet(ENCRYPTION_KEY).decrypt(payload))
        except InvalidToken:
            row["payload"] = "UNREADABLE"
    text = _ID.sub(lambda id_: id_[0] if id_[0].startswith(_SEEDED_ID) else "<uuid>", _text(row))
    made: Row = json.loads(text)
    return made


def _explained(listed: Otherwise, wanted: list[Row], found: list[Row]) -> bool:
    """Take out of both what an entry says, and tell whether there was any."""
    there = [row for row in wanted if row.items() >= listed.where.items()]
    here = [row for row in found if row.items() >= listed.where.items()]
    if listed.only == "recorded":
        here = []
    elif listed.only == "ours":
        there = []
    elif len(there) != 1 or len(here) != 1 or not _differ_in(there[0], here[0], listed.members):
        return False
    for row in there:
        wanted.remove(row)
    for row in here:
        found.remove(row)
    return bool(there or here)


def _differ_in(one: Row, other: Row, members: frozenset[str]) -> bool:
    return members == {name for name in one | other if one.get(name) != other.get(name)}


def _left(rows: list[Row], others: list[Row]) -> list[Row]:
    """Return the rows that are not among others."""
    return [json.loads(text) for text in (_counted(rows) - _counted(others)).elements()]


def _counted(rows: list[Row]) -> Counter[str]:
    return Counter(map(_text, rows))


def _text(row: Row) -> str:
    return json.dumps(row, sort_keys=True)
