"""Lists that are short as a rule: those of many callers are read by one statement."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autogpt_db.operations import FEW_CALLS, Merged
from autogpt_db.signatures.bounds import fetch_list, listed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, LiteralString

    from autogpt_db.operations import Database

_MOST: LiteralString = "20"
"""Documents of a list that is read together with others."""
_MOST_BYTES: LiteralString = "4096"
"""Bytes of each of its documents."""


class ShortList(NamedTuple):
    """The statements for a list.

    Attributes:
        short: Returns the list if it is short; merged with others.
        whole: Returns it however long it is, for `fetch_list`.
    """

    short: Merged
    whole: LiteralString


def short_list(documents: LiteralString, *texts: LiteralString) -> ShortList:
    """Return the statements for a list.

    Args:
        documents: A SELECT, in the list's order, of one `json` column, `document`.
        texts: Its parameters, each a text.
    """
    of_call = documents
    for name in texts:
        of_call = of_call.replace(f"%({name})s", f"call.{name}")
    columns: LiteralString = ", ".join(f"{name} text" for name in texts)
    return ShortList(
        Merged(
            single=_if_short(documents),
            batch=f"""
SELECT call.place, list.document
  FROM json_to_recordset(%(calls)s::json) AS call (place integer, {columns})
 CROSS JOIN LATERAL (
{_if_short(of_call)}
       ) AS list (document)
 WHERE {FEW_CALLS}
""",
            texts=texts,
            reads=True,
        ),
        listed(f"{documents} LIMIT %(most_rows)s::bigint + 1"),
    )


def _if_short(documents: LiteralString) -> LiteralString:
    return f"""
SELECT CASE
           WHEN count(*) FILTER (WHERE NOT one.is_short) = 0 AND count(*) <= {_MOST}
           THEN COALESCE(json_agg(one.document) FILTER (WHERE one.is_short), '[]')
       END
  FROM (
       SELECT each.document, octet_length(each.document::text) <= {_MOST_BYTES} AS is_short
         FROM (
              {documents}
              LIMIT {_MOST} + 1
              ) AS each
       OFFSET 0
       ) AS one
"""


async def fetch_short_list(
    database: Database, statements: ShortList, parameters: Mapping[str, Any], *, narrow: str
) -> bytes:
    """Return a list of documents as one JSON array, as `fetch_list` does.

    Args:
        database: A handle for this call.
        statements: Made by `short_list`.
        parameters: Their own.
        narrow: What makes the list shorter, for people.

    Raises:
        ResultTooLargeError: It is longer or larger than the settings allow.
    """
    array: bytes | None = None
    if database.settings.limits.rows >= int(_MOST):
        array = await database.merged(statements.short, parameters)
    if array is None:
        array = await fetch_list(database, statements.whole, parameters, narrow=narrow)
    return array
