"""Chat messages, changed: what they say, what they call, how long they took.

None of it counts as a change of the session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.operations import (
    BOUNDED_CALLS,
    FEW_CALLS,
    BigInteger,
    CleanText,
    Database,
    Merged,
    operation,
)
from autogpt_db.operations.chats.message_writes import ToolCalls
from autogpt_db.signatures.repeats import harmless

if TYPE_CHECKING:
    from typing import LiteralString

_SET_CONTENT: LiteralString = """
UPDATE platform."ChatMessage" AS message
   SET "content" = %(new_content)s::jsonb #>> '{}'
 WHERE message."sessionId" = %(session_id)s
   AND message."sequence" = %(sequence)s::bigint
"""

_SET_TOOL_CONTENT: LiteralString = """
UPDATE platform."ChatMessage" AS message
   SET "content" = %(new_content)s::jsonb #>> '{}'
 WHERE message."sessionId" = %(session_id)s
   AND message."toolCallId" = %(tool_call_id)s
"""

_SET_DURATION = Merged(
    single="""
UPDATE platform."ChatMessage" AS message
   SET "durationMs" = %(duration_ms)s::integer
 WHERE message."id" = (
       SELECT latest."id"
         FROM platform."ChatMessage" AS latest
        WHERE latest."sessionId" = %(session_id)s
          AND latest."role" = 'assistant'
        ORDER BY latest."sequence" DESC
        LIMIT 1
       )
RETURNING NULL::json
""",
    batch=f"""
WITH call AS MATERIALIZED (
    SELECT *
      FROM {BOUNDED_CALLS} AS call (place integer, session_id text, duration_ms integer)
     WHERE {FEW_CALLS}
), latest AS MATERIALIZED (
    -- Locked in the order of the calls.
    SELECT call.duration_ms, message."id"
      FROM call
     CROSS JOIN LATERAL (
            SELECT message."id"
              FROM platform."ChatMessage" AS message
             WHERE message."sessionId" = call.session_id
               AND message."role" = 'assistant'
             ORDER BY message."sequence" DESC
             LIMIT 1
               FOR NO KEY UPDATE
           ) AS message
), changed AS (
    UPDATE platform."ChatMessage" AS message
       SET "durationMs" = latest.duration_ms
      FROM latest
     WHERE message."id" = latest."id"
)
SELECT call.place, NULL::json
  FROM call
""",
    texts=("session_id",),
    documents=("duration_ms",),
    key=("session_id",),
    answer=("call.place", "NULL::json"),
)

_SET_TOOL_CALLS: LiteralString = """
UPDATE platform."ChatMessage" AS message
   SET "toolCalls" = %(tool_calls)s::jsonb
 WHERE message."sessionId" = %(session_id)s
   AND message."sequence" = %(sequence)s::bigint
"""

_STAMP: LiteralString = """
UPDATE platform."ChatMessage" AS message
   SET "model" = %(model)s, "routingSource" = %(routing_source)s
 WHERE message."sessionId" = %(session_id)s
   AND message."sequence" = %(sequence)s::bigint
"""


@operation(reads=False, repeat=harmless("Sets the same once more."))
async def update_message_content_by_sequence(
    database: Database, session_id: str, sequence: BigInteger, new_content: CleanText
) -> bool:
    """Set what a message says.

    Args:
        session_id: Its session.
        sequence: Its number.
        new_content: The text; control characters are left out.

    Returns:
        Whether there is such a message.
    """
    parameters = {"session_id": session_id, "sequence": sequence, "new_content": new_content}
    return await database.execute(_SET_CONTENT, parameters) > 0


@operation(reads=False, repeat=harmless("Sets the same once more."))
async def update_tool_message_content(
    database: Database, session_id: str, tool_call_id: str, new_content: CleanText
) -> bool:
    """Set what a tool has answered to a call.

    Args:
        session_id: The session.
        tool_call_id: The call; all messages that answer it are set.
        new_content: The text; control characters are left out.

    Returns:
        Whether there is such a message.
    """
    parameters = {
        "session_id": session_id,
        "tool_call_id": tool_call_id,
        "new_content": new_content,
    }
    return await database.execute(_SET_TOOL_CONTENT, parameters) > 0


@operation(reads=False, at_once=True, repeat=harmless("Sets the same once more."))
async def set_turn_duration(database: Database, session_id: str, duration_ms: int) -> None:
    """Say of a session's last message of the assistant's how long the turn has taken.

    Args:
        session_id: The session; without such a message nothing is done.
        duration_ms: Milliseconds.
    """
    await database.merged(
        _SET_DURATION, {"session_id": session_id, "duration_ms": str(duration_ms)}
    )


@operation(reads=False, repeat=harmless("Sets the same once more."))
async def update_chat_message_tool_calls(
    database: Database, session_id: str, sequence: BigInteger, tool_calls: ToolCalls | None
) -> bool:
    """Set what a message of the assistant's calls.

    Args:
        session_id: Its session.
        sequence: Its number.
        tool_calls: The calls, or null.

    Returns:
        Whether there is such a message.
    """
    parameters = {"session_id": session_id, "sequence": sequence, "tool_calls": tool_calls}
    return await database.execute(_SET_TOOL_CALLS, parameters) > 0


@operation(reads=False, repeat=harmless("Sets the same once more."))
async def update_chat_message_stamps(
    database: Database,
    session_id: str,
    sequence: BigInteger,
    model: str | None,
    routing_source: str | None,
) -> bool:
    """Say of a message which model wrote it, and how that was chosen.

    Args:
        session_id: Its session.
        sequence: Its number.
        model: The model, or null.
        routing_source: `ld`, `catalog`, `env`, `fallback`, `preferred`, `account_default`,
            `account_available` or null; with another word the message cannot be read.

    Returns:
        Whether there is such a message.
    """
    parameters = {
        "session_id": session_id,
        "sequence": sequence,
        "model": model,
        "routing_source": routing_source,
    }
    return await database.execute(_STAMP, parameters) > 0
