"""Chat messages, written one by one: each under a number that its caller chooses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from autogpt_db import models
from autogpt_db.database.capabilities import ForSchema
from autogpt_db.errors import RecordNotFoundError, UniqueViolationError
from autogpt_db.operations import CleanText, Database, JsonObject, JsonText, Reply, operation
from autogpt_db.operations.chats.chat_documents import MESSAGE
from autogpt_db.operations.chats.numbering import told
from autogpt_db.signatures.repeats import harmless
from autogpt_db.signatures.types import Document

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities

ToolCalls = Annotated[JsonText, Document(list[dict[str, Any]])]
"""What the assistant calls."""


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
