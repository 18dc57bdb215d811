"""Optional filters and limits of lists: what isn't asked for isn't in the statement.

`(%(x)s IS NULL OR "column" = %(x)s)` would keep PostgreSQL from using an index in a prepared
statement. So a list has one statement for each combination of filters, all put together from
literals, each with a plan of its own.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import LiteralString

_MOST = 2**63 - 1
_WILDCARDS = re.compile(r"([\\%_])")


class Ordering(NamedTuple):
    """An order of rows and its reverse, ties included.

    Attributes:
        forward: What follows ORDER BY.
        backward: The same, every direction turned round.
    """

    forward: LiteralString
    backward: LiteralString


def present(
    filters: Mapping[str, LiteralString], arguments: Mapping[str, Any]
) -> tuple[LiteralString, dict[str, Any]]:
    """Return the conditions of the arguments that filter, to follow a WHERE, and their values.

    A falsy argument is no filter, but for a number: version 0 is a version that doesn't exist.

    Args:
        filters: A condition for each argument that may filter.
        arguments: The arguments by name.
    """
    parameters = {
        name: value
        for name, value in arguments.items()
        if value or (type(value) is int and name in filters)
    }
    conditions: LiteralString = "".join([f"\n AND {filters[name]}" for name in parameters])
    return conditions, parameters


def limited(
    table: LiteralString,
    conditions: LiteralString,
    ordering: Ordering,
    limit: int | None,
    *,
    joined: LiteralString = "",
    skips: bool = False,
) -> tuple[LiteralString, int | None]:
    """Return the FROM clause of a list in its order, and the value of its `limit` parameter.

    There is a LIMIT even where there is none (then the most rows that a list may have, and one
    more): it makes PostgreSQL sort the rows first and build their documents then.

    Args:
        table: The table and its alias.
        conditions: What follows WHERE.
        ordering: The list's order.
        limit: At most so many rows; a negative number means as many from the end.
        joined: Joins that the document or the conditions need.
        skips: Whether the first `offset` rows, a parameter, are left out; with a negative limit
            the last ones.
    """
    offset: LiteralString = " OFFSET %(offset)s::bigint" if skips else ""
    if limit is None or limit >= 0:
        return _source(table, joined, conditions, ordering.forward, offset=offset), limit
    _, _, alias = table.rpartition(" AS ")
    chosen = f"""{alias}.ctid = ANY (ARRAY(
          SELECT {alias}.ctid{_source(table, joined, conditions, ordering.backward, offset=offset)}
    ))"""
    statement = _source(table, joined, chosen, ordering.forward, limit="%(most_rows)s")
    return statement, min(-limit, _MOST)


def _source(
    table: LiteralString,
    joined: LiteralString,
    conditions: LiteralString,
    order: LiteralString,
    limit: LiteralString = "COALESCE(%(limit)s, %(most_rows)s::bigint + 1)",
    offset: LiteralString = "",
) -> LiteralString:
    return f"""
  FROM {table}{joined}
 WHERE {conditions}
 ORDER BY {order}
 LIMIT ({limit})::bigint{offset}
"""


def containing(text: str) -> str:
    """Return the LIKE pattern of what contains a text, every character of it taken literally."""
    return "%" + _WILDCARDS.sub(r"\\\1", text) + "%"
