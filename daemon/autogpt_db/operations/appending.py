"""Rows that are only ever added, each by a call of its own, many with one statement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.operations import FEW_CALLS, PARSED_CALLS, Merged

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import LiteralString


def appending(
    inserted: LiteralString,
    columns: Mapping[LiteralString, LiteralString],
    key: LiteralString,
    *,
    shares: bool = False,
) -> Merged:
    """Return what adds a row for a call, and rows for many.

    Args:
        inserted: An INSERT and its SELECT up to where FROM follows, whose rows are `call`.
        columns: That row's columns: the parameters of a call with their types; what isn't `text` is
            given as JSON.
        key: The one of them by which calls may not share a batch.
        shares: Whether they may nevertheless: rows with one key have no order.
    """
    named: LiteralString = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    calls: LiteralString = f"""{PARSED_CALLS} AS call (place integer, {named})
     WHERE {FEW_CALLS}"""
    given: LiteralString = ",\n              ".join(
        f"%({name})s::{kind} AS {name}" for name, kind in columns.items()
    )
    return Merged(
        single=f"""{inserted}
  FROM (
       SELECT {given}
       ) AS call
RETURNING NULL::json
""",
        batch=f"""{inserted}
  FROM {calls}
""",
        texts=tuple(name for name, kind in columns.items() if kind == "text"),
        documents=tuple(name for name, kind in columns.items() if kind != "text"),
        key=(key,),
        shares=shares,
        answer=("call.place", "NULL::json"),
        keyed_batch=f"""
WITH call AS MATERIALIZED (
    SELECT *
      FROM {calls}
), added AS (
{inserted}
      FROM call
)
SELECT call.place, NULL::json
  FROM call
""",
    )
