"""Bounds on what a call may bring along, and on what it may get back.

Everything is refused with the name of its field, or with what would narrow it, and the setting that
says so. A reply is measured where it is made: PostgreSQL sends no more than may be sent on.
"""

from __future__ import annotations

import typing
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

from autogpt_db.errors import LimitExceededError, ResultTooLargeError
from autogpt_db.signatures.types import AtMost

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import LiteralString

    from autogpt_db.database.pool import Database
    from autogpt_db.settings import LimitsSettings


def limit_of(annotation: Any) -> str | None:
    """Return the option of `limits` that bounds a number, or None when none does.

    Args:
        annotation: A parameter's type.
    """
    if typing.get_origin(annotation) is Annotated:
        for mark in annotation.__metadata__:
            if isinstance(mark, AtMost):
                return mark.limit
    found = map(limit_of, typing.get_args(annotation))
    return next((limit for limit in found if limit is not None), None)


def check_arguments(
    arguments: Mapping[str, Any], numbers: Mapping[str, str], limits: LimitsSettings
) -> None:
    """Refuse what is larger than the settings allow.

    JSON documents are bounded by the body they came in.

    Args:
        arguments: The call's, by name.
        numbers: The options of `limits` that bound numbers, by their parameters' names.
        limits: The bounds.

    Raises:
        LimitExceededError: Something is too large.
    """
    for name, value in arguments.items():
        kind = type(value)
        if kind is str:
            _check_text(name, value, limits)
        elif kind is list:
            _check_list(name, value, limits)
    for name, limit in numbers.items():
        most: int = getattr(limits, limit)
        if abs(arguments[name] or 0) > most:
            raise LimitExceededError(name, f"is {arguments[name]}", f"limits.{limit}", most)


def check_items(arguments: Mapping[str, Any], limits: LimitsSettings) -> None:
    """Refuse lists of more items than the settings allow.

    Args:
        arguments: The call's, by name; what isn't a list is passed over.
        limits: The bounds.

    Raises:
        LimitExceededError: A list has too many.
    """
    for name, value in arguments.items():
        if type(value) is list and len(value) > limits.items:
            raise LimitExceededError(name, f"has {len(value)} items", "limits.items", limits.items)


def _check_text(name: str, text: str, limits: LimitsSettings) -> None:
    if len(text) > limits.text_length:
        raise LimitExceededError(
            name, f"has {len(text)} characters", "limits.text_length", limits.text_length
        )


def _check_list(name: str, items: list[Any], limits: LimitsSettings) -> None:
    check_items({name: items}, limits)
    for item in items:
        if type(item) is str:
            _check_text(name, item, limits)
        elif type(item) is tuple:
            _check_text(name, item[0], limits)


async def fetch_list(
    database: Database, sql: LiteralString, parameters: Mapping[str, Any], *, narrow: str
) -> bytes:
    """Return a list of documents as one JSON array.

    Rows instead of an aggregate: libpq keeps as much memory as its largest row, for as long as its
    connection lives.

    Args:
        database: A handle for this call.
        sql: Made by `listed`.
        parameters: Its own.
        narrow: What makes the list shorter, for people.

    Raises:
        ResultTooLargeError: It is longer or larger than the settings allow.
    """
    limits = database.settings.limits
    rows = await database.rows(
        sql, {**parameters, "most_rows": limits.rows, "most_bytes": limits.result_bytes}
    )
    if len(rows) > limits.rows:
        raise ResultTooLargeError(f"more than {limits.rows} rows", "limits.rows", narrow)
    array = b"[" + b",".join([row[0] for row in rows]) + b"]"
    if len(array) > limits.result_bytes:
        raise _too_large(limits, narrow)
    return array


def listed(documents: LiteralString) -> LiteralString:
    """Return the statement for `fetch_list`.

    It sends one row more than may be, or one document more: then too many are known to be.

    Args:
        documents: A SELECT, in the list's order, of one `json` column, `document`.
    """
    return f"""
SELECT listed.document
  FROM (
        SELECT each.document,
               sum(octet_length(each.document::text)) OVER (ROWS UNBOUNDED PRECEDING)
                   - octet_length(each.document::text) AS bytes_before
          FROM (
               {documents}
               OFFSET 0
               ) AS each
       ) AS listed
 WHERE listed.bytes_before <= %(most_bytes)s
 LIMIT %(most_rows)s::bigint + 1
"""


async def fetch_document(
    database: Database, sql: LiteralString, parameters: Mapping[str, Any], *, narrow: str
) -> bytes | None:
    """Return one document like `Database.json`, unless it is too large to be sent.

    Args:
        database: A handle for this call.
        sql: Reads one `json`, in at most one row.
        parameters: Its own.
        narrow: What makes the document smaller, for people.

    Raises:
        ResultTooLargeError: It is larger than the settings allow.
    """
    limits = database.settings.limits
    row = await database.row(_measured(sql), {**parameters, "most_bytes": limits.result_bytes})
    if row is None:
        return None
    document: bytes | None
    document, too_large = row
    if too_large:
        raise _too_large(limits, narrow)
    return document


@cache
def _measured(sql: LiteralString) -> LiteralString:
    # OFFSET keeps PostgreSQL from making the document once for each mention of it.
    return f"""
SELECT CASE WHEN octet_length(measured.document::text) <= %(most_bytes)s
            THEN measured.document
       END,
       octet_length(measured.document::text) > %(most_bytes)s
  FROM (
       SELECT found.document FROM ({sql}) AS found (document) OFFSET 0
  ) AS measured
"""


def check_reply(reply: bytes, limits: LimitsSettings) -> bytes:
    """Return a read's reply if it may be sent.

    Raises:
        ResultTooLargeError: It is larger than the settings allow.
    """
    if len(reply) > limits.result_bytes:
        raise _too_large(limits, "ask for less of it")
    return reply


def _too_large(limits: LimitsSettings, narrow: str) -> ResultTooLargeError:
    return ResultTooLargeError(
        f"more than {limits.result_bytes} bytes", "limits.result_bytes", narrow
    )
