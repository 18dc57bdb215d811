"""Chat messages, read: pages of a session's, its newest of the user's, the next number."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autogpt_db import models
from autogpt_db.database.capabilities import ForSchema
from autogpt_db.errors import ResultTooLargeError, ValidationFailedError
from autogpt_db.operations import (
    FEW_CALLS,
    BigInteger,
    Database,
    Limit,
    Merged,
    Reply,
    operation,
)
from autogpt_db.operations.chats.chat_documents import MESSAGE, SOURCE_KNOWN
from autogpt_db.operations.chats.message_page_statements import EXACT_PAGE, WIDENED_PAGE
from autogpt_db.operations.chats.numbering import next_sequence

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_FIRST = -(2**31)
_BESIDE_DOCUMENTS = 256
"""Bytes that are kept for what a page holds beside the documents of its messages and session."""
_NARROW = "ask get_chat_messages_paginated for pages"

_LATEST_OF_USER = ForSchema(
    lambda capabilities: (
        f"""
SELECT {MESSAGE(capabilities)}, {SOURCE_KNOWN(capabilities)}
  FROM platform."ChatMessage" AS message
 WHERE message."sessionId" = %(session_id)s
   AND message."role" = 'user'
 ORDER BY message."sequence" DESC
 LIMIT 1
"""
    )
)

_NEXT = Merged(
    single=f"""
SELECT to_json({next_sequence("%(session_id)s")})
""",
    batch=f"""
SELECT call.place, to_json({next_sequence("call.session_id")})
  FROM json_to_recordset(%(calls)s::json) AS call (place integer, session_id text)
 WHERE {FEW_CALLS}
""",
    texts=("session_id",),
    reads=True,
)


class _Page(NamedTuple):
    """A page of messages.

    Attributes:
        session: The session's document.
        messages: The messages', in their order.
        oldest: The first one's number; None without messages.
        has_more: Whether there are older ones, as AutoGPT counts.
        capped: Whether only some of what was asked for is here: all would be too large.
    """

    session: bytes
    messages: list[bytes]
    oldest: int | None
    has_more: bool
    capped: bool


@operation(reads=True, heavy=True)
async def get_chat_messages_paginated(
    database: Database,
    session_id: str,
    limit: Limit = 50,
    before_sequence: BigInteger | None = None,
    user_id: str | None = None,
    organization_id: str | None = None,
    after_sequence: BigInteger | None = None,
) -> Reply[models.PaginatedMessages | None]:
    """Return a session and the newest of its messages, in their order; null where there is none.

    Without `after_sequence` a page that would begin amid a tool's answers begins with what was
    answered, up to 10 messages before it, and one in which neither the user nor the assistant
    speaks goes back to where one does, up to 200 messages.

    Args:
        session_id: The session.
        limit: At most so many messages, beside those; below 1 there are none.
        before_sequence: Only those with a lower number.
        user_id: Whose session it must be.
        organization_id: Where it must belong, unless it belongs to none.
        after_sequence: Only those with this number or a higher one.

    Returns:
        The page. Its oldest messages are left out, and it says that there are more, where it would
        be larger than `limits.result_bytes`.

    Raises:
        ResultTooLargeError: The newest message alone is larger.
        ValidationFailedError: A message says an unknown word about where its model comes from.
    """
    page = await _read(
        database,
        {
            "session_id": session_id,
            "limit": max(limit, 0),
            "before_sequence": before_sequence,
            "after_sequence": after_sequence,
            "user_id": user_id,
            "organization_id": organization_id,
        },
    )
    if page is None:
        return None
    return b'{"messages": [%b], "has_more": %b, "oldest_sequence": %b, "session": %b}' % (
        b", ".join(page.messages),
        b"true" if page.has_more else b"false",
        b"null" if page.oldest is None else b"%d" % page.oldest,
        page.session,
    )


@operation(reads=True, heavy=True)
async def get_chat_session(database: Database, session_id: str) -> Reply[models.ChatSession | None]:
    """Return a session with all its messages, in their order; null where there is none.

    Args:
        session_id: The session.

    Raises:
        ResultTooLargeError: It has more messages, or larger ones, than the settings allow.
        ValidationFailedError: A message says an unknown word about where its model comes from.
    """
    limits = database.settings.limits
    page = await _read(
        database,
        {
            "session_id": session_id,
            "limit": limits.rows,
            "before_sequence": None,
            "after_sequence": _FIRST,
            "user_id": None,
            "organization_id": None,
        },
    )
    if page is None:
        return None
    if page.capped:
        raise _too_large(database)
    if page.has_more:
        raise ResultTooLargeError(f"more than {limits.rows} messages", "limits.rows", _NARROW)
    return b'%b, "messages": [%b]}' % (page.session[:-1], b", ".join(page.messages))


@operation(reads=True)
async def get_next_sequence(database: Database, session_id: str) -> Reply[int]:
    """Return the number of a session's next message: one more than the highest, or 0.

    Two who ask at once get the same; `add_chat_messages_batch` then finds another.

    Args:
        session_id: The session; an unknown one has no messages.
    """
    return await database.merged(_NEXT, {"session_id": session_id})


@operation(reads=True)
async def get_latest_user_message_in_session(
    database: Database, session_id: str
) -> Reply[models.ChatMessage | None]:
    """Return the message of the user's with the highest number, or null.

    Args:
        session_id: The session; an unknown one has no messages.

    Raises:
        ValidationFailedError: It says an unknown word about where a model comes from.
    """
    row = await database.row(_LATEST_OF_USER(database.capabilities), {"session_id": session_id})
    if row is None:
        return None
    document: bytes
    document, source_known = row
    if not source_known:
        raise _source_unknown()
    return document


async def _read(database: Database, parameters: Mapping[str, Any]) -> _Page | None:
    """Return a page; None where there is no such session."""
    widened = parameters["after_sequence"] is None
    statement = (WIDENED_PAGE if widened else EXACT_PAGE)(database.capabilities)
    limits = database.settings.limits
    most_bytes = limits.result_bytes - _BESIDE_DOCUMENTS
    rows = await database.rows(statement, {**parameters, "most_bytes": most_bytes})
    if not rows:
        return None
    session, has_more, wanted, newest, *_ = rows[0]
    if session is None:
        raise _too_large(database)
    if newest is None:
        return _Page(session, [], None, has_more, capped=False)
    if any(source_known is False for _, _, _, _, _, source_known in rows):
        raise _source_unknown()
    rows.reverse()
    _, _, _, oldest, _, _ = rows[0]
    messages = [document for _, _, _, _, document, _ in rows]
    capped = oldest != wanted
    return _Page(session, messages, oldest, has_more or capped, capped=capped)


def _too_large(database: Database) -> ResultTooLargeError:
    return ResultTooLargeError(
        f"more than {database.settings.limits.result_bytes} bytes", "limits.result_bytes", _NARROW
    )


def _source_unknown() -> ValidationFailedError:
    return ValidationFailedError(
        "1 validation error for ChatMessage: a message's routing source is none of the known "
        "words. Set another with update_chat_message_stamps."
    )
