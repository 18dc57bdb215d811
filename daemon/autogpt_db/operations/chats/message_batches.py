"""Chat messages, written many at a time: each under a number of its own, whoever else writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from autogpt_db.database.capabilities import ForSchema
from autogpt_db.errors import ForeignKeyViolationError, UniqueViolationError
from autogpt_db.models import chats
from autogpt_db.operations import (
    FEW_CALLS,
    PARSED_CALLS,
    Database,
    JsonText,
    Merged,
    Reply,
    operation,
)
from autogpt_db.operations.chats.numbering import ATTEMPTS, locked, next_sequence, told
from autogpt_db.signatures.repeats import harmful
from autogpt_db.signatures.types import Document

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities

ChatMessageToAdd = Annotated[JsonText, Document(chats.ChatMessageToAdd)]
"""A message of a batch: every declared member, null where nothing was said."""

_MOST_MESSAGES: LiteralString = "16777216"
"""More than any call has."""

_LOCK: LiteralString = """
SELECT FROM platform."ChatSession" WHERE "id" = %(session_id)s FOR NO KEY UPDATE
"""


class _Columns(NamedTuple):
    """Columns that later releases have, and their values in a batch: each with a comma before it.

    Attributes:
        names: The columns.
        values: Their values, from `message`.
    """

    names: LiteralString = ""
    values: LiteralString = ""


def _later_columns(capabilities: Capabilities) -> _Columns:
    found = _Columns()
    if capabilities.chat_metadata:
        found = _Columns(', "durationMs"', ', message."duration_ms"')
    if capabilities.stamps:
        found = _Columns(
            f"""{found.names}, "model", "routingSource\"""",
            f"""{found.values}, message."model", message."routing_source\"""",
        )
    return found


# A session is locked before its numbers are taken. A batch whose numbers are taken gets the next
# ones, unless just its rows have them: then it is a repeat. Messages are read where they are
# inserted, in the order in which they stand, and before that only where their numbers are taken.
# New ids begin with the same random digits, and end with a message's place: random ones are dear to
# get one by one, and each belongs to another page of the index.
def _added(capabilities: Capabilities) -> LiteralString:
    """Return what follows `call`: rows of place, session_id, start_sequence and messages.

    Their sessions are locked.
    """
    later = _later_columns(capabilities)
    return f"""placed AS MATERIALIZED (
    SELECT call.place,
           call.session_id,
           call.messages,
           taken.alike = jsonb_array_length(call.messages) AS repeated,
           CASE
               WHEN taken.numbers = 0 OR taken.alike = jsonb_array_length(call.messages)
               THEN call.start_sequence
               ELSE {next_sequence("call.session_id")}
           END AS start
      FROM call
     CROSS JOIN LATERAL (
            SELECT count(*) AS numbers,
                   count(*) FILTER (
                       WHERE said.message ->> 'id' IS NULL
                         AND stored."role" = said.message ->> 'role'
                         AND stored."content" IS NOT DISTINCT FROM said.message ->> 'content'
                         AND stored."toolCallId" IS NOT DISTINCT FROM
                             said.message ->> 'tool_call_id'
                         AND stored."toolCalls" IS NOT DISTINCT FROM
                             (said.message ->> 'tool_calls')::jsonb
                   ) AS alike
              FROM platform."ChatMessage" AS stored
             CROSS JOIN LATERAL (
                    SELECT call.messages -> stored."sequence" - call.start_sequence AS message
                   ) AS said
             WHERE stored."sessionId" = call.session_id
               AND stored."sequence" >= call.start_sequence
               AND stored."sequence" <
                   call.start_sequence::bigint + jsonb_array_length(call.messages)
           ) AS taken
), added AS (
    INSERT INTO platform."ChatMessage"
           ("id", "createdAt", "sessionId", "sequence", "role", "content", "name", "toolCallId",
            "refusal", "toolCalls", "functionCall"{later.names})
    SELECT COALESCE(
               message."id",
               (SELECT left(gen_random_uuid()::text, 28))
               || lpad(to_hex(placed.place * {_MOST_MESSAGES} + message.number), 8, '0')
           ),
           autogpt_db.now_v1(), placed.session_id, placed.start + message.number::integer - 1,
           message."role", message."content", message."name", message."tool_call_id",
           message."refusal", message."tool_calls", message."function_call"{later.values}
      FROM placed
     CROSS JOIN LATERAL ROWS FROM (
            jsonb_to_recordset(placed.messages) AS (
                "id" text, "role" text, "content" text, "name" text, "tool_call_id" text,
                "refusal" text, "tool_calls" jsonb, "function_call" jsonb, "duration_ms" integer,
                "model" text, "routing_source" text
            )
           ) WITH ORDINALITY AS message (
                "id", "role", "content", "name", "tool_call_id", "refusal", "tool_calls",
                "function_call", "duration_ms", "model", "routing_source", number
           )
     WHERE NOT placed.repeated
)"""


def _add_batch(capabilities: Capabilities) -> Merged:
    added = _added(capabilities)
    return Merged(
        single=f"""
WITH touched AS (
    UPDATE platform."ChatSession" AS session
       SET "updatedAt" = autogpt_db.now_v1()
     WHERE session."id" = %(session_id)s
    RETURNING session."id"
), call AS MATERIALIZED (
    SELECT 0 AS place,
           touched."id" AS session_id,
           %(start_sequence)s::integer AS start_sequence,
           %(messages)s::jsonb AS messages
      FROM touched
), {added}
SELECT to_json(placed.start)
  FROM placed
""",
        batch=f"""
WITH call AS MATERIALIZED (
    SELECT call.*
      FROM {PARSED_CALLS} AS call (
               place integer, session_id text, start_sequence integer, messages jsonb
           )
     CROSS JOIN {locked("call.session_id")}
     WHERE {FEW_CALLS}
), touched AS (
    UPDATE platform."ChatSession" AS session
       SET "updatedAt" = autogpt_db.now_v1()
      FROM call
     WHERE session."id" = call.session_id
), {added}
SELECT placed.place, to_json(placed.start)
  FROM placed
""",
        texts=("session_id",),
        documents=("start_sequence", "messages"),
        key=("session_id",),
        answer=("placed.place", "to_json(placed.start)"),
    )


ADD_BATCH = ForSchema(_add_batch)
"""Adds messages to a session; a session that there is not, has no answer."""


@operation(
    reads=False,
    at_once=True,
    repeat=harmful(
        "Adds the messages again under the next numbers, unless none has an id and just these have "
        "the numbers that they ask for; one whose id is taken is refused."
    ),
)
async def add_chat_messages_batch(
    database: Database, session_id: str, messages: list[ChatMessageToAdd], start_sequence: int
) -> Reply[int]:
    """Add messages to a session under numbers that follow each other; all of them, or none.

    Args:
        session_id: The session; it counts as changed now.
        messages: The messages, in their order. Members beyond the declared ones are ignored, and
            control characters left out.
        start_sequence: The first one's number. Where one of the numbers is taken, the first gets
            the number after the session's highest instead.

    Returns:
        The number that the first one has got; `start_sequence` without messages. Messages without
        ids that stand under just these numbers already are a repeat, and not added again.

    Raises:
        UniqueViolationError: There is a message with the id of one of them, in whatever session;
            the text then holds `ChatMessage_pkey`.
        ForeignKeyViolationError: There is no such session.
    """
    if not messages:
        return b"%d" % start_sequence
    statement = ADD_BATCH(database.capabilities)
    parameters = {
        "session_id": session_id,
        "start_sequence": str(start_sequence),
        "messages": f"[{','.join(messages)}]",
    }
    try:
        start = await database.merged(statement, parameters)
    except UniqueViolationError as error:
        if error.fields == "`id`":
            raise told(error) from error
        start = await _add_under_lock(database, statement.single, parameters)
    if start is None:
        raise ForeignKeyViolationError("ChatMessage_sessionId_fkey")
    return start


async def _add_under_lock(
    database: Database, statement: LiteralString, parameters: dict[str, Any]
) -> bytes | None:
    """Add a batch whose numbers somebody took while it waited for the session.

    Who has the lock of the session sees what all have written who had it before. Others who lock
    none can still be faster; they are given way to a few times.
    """
    attempts = ATTEMPTS
    while True:
        attempts -= 1
        try:
            async with database.transaction() as transaction:
                await transaction.row(_LOCK, parameters)
                return await transaction.json(statement, parameters)
        except UniqueViolationError as error:
            if error.fields == "`id`" or not attempts:
                raise told(error) from error
