"""Chat messages, written: each under a number of its own, whoever else writes meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from autogpt_db import models
from autogpt_db.database.capabilities import ForSchema
from autogpt_db.errors import (
    ForeignKeyViolationError,
    RecordNotFoundError,
    UniqueViolationError,
)
from autogpt_db.models import chats
from autogpt_db.operations import CleanText, Database, JsonObject, JsonText, Reply, operation
from autogpt_db.operations.chats.chat_documents import MESSAGE
from autogpt_db.operations.chats.numbering import ATTEMPTS, next_sequence, told
from autogpt_db.signatures.repeats import harmful, harmless
from autogpt_db.signatures.types import Document

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities

ChatMessageToAdd = Annotated[JsonText, Document(chats.ChatMessageToAdd)]
"""A message of a batch: every declared member, null where nothing was said."""

ToolCalls = Annotated[JsonText, Document(list[dict[str, Any]])]
"""What the assistant calls."""

_LOCK: LiteralString = """
SELECT FROM platform."ChatSession" WHERE "id" = %(session_id)s FOR NO KEY UPDATE
"""


class _Columns(NamedTuple):
    """Columns that later releases have, and their values in a batch: each with a comma before it.

    Attributes:
        names: The columns.
        values: Their values, from `given`.
    """

    names: LiteralString = ""
    values: LiteralString = ""


def _later_columns(capabilities: Capabilities) -> _Columns:
    found = _Columns()
    if capabilities.chat_metadata:
        found = _Columns(', "durationMs"', ', given."duration_ms"')
    if capabilities.stamps:
        found = _Columns(
            f"""{found.names}, "model", "routingSource\"""",
            f"""{found.values}, given."model", given."routing_source\"""",
        )
    return found


# The session is locked by its update; only then are numbers taken. A batch whose numbers are taken
# gets the next ones, unless just its rows have them: then it is a repeat.
def _add_batch(capabilities: Capabilities) -> LiteralString:
    later = _later_columns(capabilities)
    return f"""
WITH given AS (
    SELECT entry.place::integer - 1 AS place, told.*
      FROM unnest(%(messages)s::jsonb[]) WITH ORDINALITY AS entry (message, place)
     CROSS JOIN LATERAL jsonb_to_record(entry.message) AS told (
           "id" text, "role" text, "content" text, "name" text, "tool_call_id" text,
           "refusal" text, "tool_calls" jsonb, "function_call" jsonb, "duration_ms" integer,
           "model" text, "routing_source" text
           )
), touched AS (
    UPDATE platform."ChatSession" AS session
       SET "updatedAt" = autogpt_db.now_v1()
     WHERE session."id" = %(session_id)s
    RETURNING session."id"
), taken AS (
    SELECT count(*) AS numbers,
           count(*) FILTER (
               WHERE given."id" IS NULL
                 AND message."role" = given."role"
                 AND message."content" IS NOT DISTINCT FROM given."content"
                 AND message."toolCallId" IS NOT DISTINCT FROM given."tool_call_id"
                 AND message."toolCalls" IS NOT DISTINCT FROM given."tool_calls"
           ) AS alike
      FROM platform."ChatMessage" AS message
      JOIN given ON given.place = message."sequence" - %(start_sequence)s::integer
     WHERE message."sessionId" = %(session_id)s
       AND message."sequence" >= %(start_sequence)s::integer
       AND message."sequence" < %(start_sequence)s::bigint + %(number)s::integer
), placed AS (
    SELECT touched."id",
           taken.alike = %(number)s::integer AS repeated,
           CASE
               WHEN taken.numbers = 0 OR taken.alike = %(number)s::integer
               THEN %(start_sequence)s::integer
               ELSE {next_sequence('touched."id"')}
           END AS start
      FROM touched CROSS JOIN taken
), added AS (
    INSERT INTO platform."ChatMessage"
           ("id", "createdAt", "sessionId", "sequence", "role", "content", "name", "toolCallId",
            "refusal", "toolCalls", "functionCall"{later.names})
    SELECT COALESCE(given."id", gen_random_uuid()::text), autogpt_db.now_v1(), placed."id",
           placed.start + given.place, given."role", given."content", given."name",
           given."tool_call_id", given."refusal", given."tool_calls",
           given."function_call"{later.values}
      FROM placed CROSS JOIN given
     WHERE NOT placed.repeated
)
SELECT placed.start FROM placed
"""


_ADD_BATCH = ForSchema(_add_batch)


def _add_one(capabilities: Capabilities) -> LiteralString:
    name: LiteralString = ""
    value: LiteralString = ""
    if capabilities.chat_status:
        name, value = ', "metadata"', ", %(metadata)s::jsonb"
    return f"""
WITH touched AS (
    UPDATE platform."ChatSession" AS session
       SET "updatedAt" = autogpt_db.now_v1()
     WHERE session."id" = %(session_id)s
    RETURNING session."id"
)
INSERT INTO platform."ChatMessage" AS message
       ("id", "createdAt", "sessionId", "sequence", "role", "content", "name", "toolCallId",
        "refusal", "toolCalls", "functionCall"{name})
SELECT COALESCE(%(message_id)s, gen_random_uuid()::text), autogpt_db.now_v1(), touched."id",
       %(sequence)s::integer, %(role)s, %(content)s::jsonb #>> '{{}}', %(name)s, %(tool_call_id)s,
       %(refusal)s::jsonb #>> '{{}}', %(tool_calls)s::jsonb, %(function_call)s::jsonb{value}
  FROM touched
RETURNING {MESSAGE(capabilities)}
"""


_ADD_ONE = ForSchema(_add_one)


@operation(
    reads=False,
    repeat=harmful(
        "Adds the messages again under the next numbers, unless none has an id and just these have "
        "the numbers that they ask for; one whose id is taken is refused."
    ),
)
async def add_chat_messages_batch(
    database: Database, session_id: str, messages: list[ChatMessageToAdd], start_sequence: int
) -> int:
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
        return start_sequence
    statement = _ADD_BATCH(database.capabilities)
    parameters = {
        "session_id": session_id,
        "messages": messages,
        "start_sequence": start_sequence,
        "number": len(messages),
    }
    try:
        row = await database.row(statement, parameters)
    except UniqueViolationError as error:
        if error.fields == "`id`":
            raise told(error) from error
        row = await _add_under_lock(database, statement, parameters)
    if row is None:
        raise ForeignKeyViolationError("ChatMessage_sessionId_fkey")
    start: int = row[0]
    return start


@operation(
    reads=False,
    repeat=harmless("Is refused: the number is taken."),
    honoured={"metadata": "chat_status"},
)
async def add_chat_message(
    database: Database,
    session_id: str,
    role: str,
    sequence: int,
    content: CleanText | None = None,
    name: str | None = None,
    tool_call_id: str | None = None,
    refusal: CleanText | None = None,
    tool_calls: ToolCalls | None = None,
    function_call: JsonObject | None = None,
    message_id: str | None = None,
    metadata: JsonObject | None = None,
) -> Reply[models.ChatMessage]:
    """Add a message to a session under a number.

    Args:
        session_id: The session; it counts as changed now.
        role: Who speaks.
        sequence: The message's number.
        content: What is said; control characters are left out.
        name: The tool's name.
        tool_call_id: Which of the assistant's calls it answers.
        refusal: Why the assistant refuses; control characters are left out.
        tool_calls: What the assistant calls.
        function_call: The same, as it was said before.
        message_id: The message's id; it gets a new one without.
        metadata: What else belongs to it.

    Raises:
        UniqueViolationError: The number is taken, or the id, in whatever session; of the id the
            text holds `ChatMessage_pkey`.
        RecordNotFoundError: There is no such session.
    """
    parameters = {
        "session_id": session_id,
        "role": role,
        "sequence": sequence,
        "content": content,
        "name": name,
        "tool_call_id": tool_call_id,
        "refusal": refusal,
        "tool_calls": tool_calls,
        "function_call": function_call,
        "message_id": message_id,
        "metadata": metadata,
    }
    try:
        document = await database.json(_ADD_ONE(database.capabilities), parameters)
    except UniqueViolationError as error:
        raise told(error) from error
    if document is None:
        raise RecordNotFoundError(f"the chat session {session_id}")
    return document


async def _add_under_lock(
    database: Database, statement: LiteralString, parameters: dict[str, Any]
) -> tuple[Any, ...] | None:
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
                return await transaction.row(statement, parameters)
        except UniqueViolationError as error:
            if error.fields == "`id`" or not attempts:
                raise told(error) from error
