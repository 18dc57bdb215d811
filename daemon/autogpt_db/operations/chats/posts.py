"""Messages that schedules, runs and experts post into a user's chat, each once.

Where each goes, and under which number, is settled under a lock of the thread's: a user's chat with
one expert, or without any. AutoGPT holds a lock in its Redis meanwhile, of a single session, and
goes on without it where there is none. Ours is PostgreSQL's, needs nobody else, and holds for the
session that is still to be made, too. The session itself is locked as by all who write messages
(`numbering`). Whoever numbers messages without that is kept from a number that is taken by the
unique index, as we are: then the next one is tried.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from autogpt_db.database.capabilities import ForSchema
from autogpt_db.errors import ExpertNotFoundError, StatementCollidedError
from autogpt_db.operations import CleanText, Database, JsonObject, operation
from autogpt_db.operations.chats.numbering import ATTEMPTS, next_sequence
from autogpt_db.operations.chats.session_creation import PLAIN
from autogpt_db.signatures.repeats import harmless

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities


class _Thread(NamedTuple):
    """Where messages go, and how.

    Attributes:
        lock: Waits for whoever posts there.
        post: Posts. Returns whether there was such a message, the session, the same again if the
            message was written, and once more if it was made now.
    """

    lock: LiteralString
    post: LiteralString


def _thread(
    lock: LiteralString, newest: LiteralString, new: LiteralString, columns: LiteralString
) -> _Thread:
    """Return a thread's statements.

    Args:
        lock: What it is known by, as SQL.
        newest: Conditions of its sessions.
        new: What follows the constants of a new session: its other values, and where from.
        columns: The columns of those values.
    """
    return _Thread(
        f"""
SELECT pg_advisory_xact_lock(hashtextextended({lock}, 0))
""",
        f"""
WITH known AS (
    SELECT FROM platform."ChatMessage" WHERE "id" = %(message_id)s
), newest AS (
    SELECT session."id"
      FROM platform."ChatSession" AS session
     WHERE session."userId" = %(user_id)s
       AND {newest}
     ORDER BY session."updatedAt" DESC
     LIMIT 1
       FOR NO KEY UPDATE
), made AS (
    INSERT INTO platform."ChatSession"
           ("id", "createdAt", "updatedAt", "metadata", "userId"{columns})
    SELECT gen_random_uuid()::text, autogpt_db.now_v1(), autogpt_db.now_v1(), '{PLAIN}'::jsonb,
           %(user_id)s{new}
       AND NOT EXISTS (SELECT FROM known)
       AND NOT EXISTS (SELECT FROM newest)
    RETURNING "id"
), chosen AS (
    SELECT "id" FROM newest
    UNION ALL
    SELECT "id" FROM made
), posted AS (
    INSERT INTO platform."ChatMessage"
           ("id", "createdAt", "sessionId", "role", "content", "sequence", "metadata")
    SELECT %(message_id)s, autogpt_db.now_v1(), chosen."id", 'assistant',
           %(content)s::jsonb #>> '{{}}',
           {next_sequence('chosen."id"')},
           %(metadata)s::jsonb
      FROM chosen
     WHERE NOT EXISTS (SELECT FROM known)
        ON CONFLICT DO NOTHING
    RETURNING "sessionId"
), touched AS (
    UPDATE platform."ChatSession" AS session
       SET "updatedAt" = autogpt_db.now_v1()
      FROM posted
     WHERE session."id" = posted."sessionId"
)
SELECT EXISTS (SELECT FROM known),
       (SELECT "id" FROM chosen),
       (SELECT "sessionId" FROM posted),
       (SELECT "id" FROM made)
""",
    )


def _with_expert(capabilities: Capabilities) -> _Thread:
    # From v0.7.2's schema on a new session is only for an expert that may run; who gets one in an
    # older session may be archived.
    new: LiteralString = """, %(expert_id)s
     WHERE true"""
    if capabilities.pods:
        new = """, expert."id"
      FROM platform."Expert" AS expert
     WHERE expert."id" = %(expert_id)s
       AND expert."ownerUserId" = %(user_id)s
       AND NOT expert."isTemplate"
       AND NOT expert."isArchived\""""
    return _thread(
        "'posts of expert ' || %(expert_id)s || ' to ' || %(user_id)s",
        'session."expertId" = %(expert_id)s',
        new,
        ', "expertId"',
    )


_WITH_EXPERT = ForSchema(_with_expert)
_PLAIN = _thread(
    "'posts to ' || %(user_id)s",
    """session."expertId" IS NULL
       AND session."metadata" ->> 'kind' IS DISTINCT FROM 'dream'""",
    """
     WHERE true""",
    "",
)


_UNMAKE: LiteralString = """
DELETE FROM platform."ChatSession" WHERE "id" = %(session_id)s
"""


@operation(reads=False, repeat=harmless("A message is posted once: a repeat returns null."))
async def append_expert_run_message(
    database: Database,
    user_id: str,
    expert_id: str,
    content: CleanText,
    message_id: str,
    metadata: JsonObject | None = None,
) -> str | None:
    """Post a message of an expert's into its newest chat with a user, or into a new one.

    Args:
        user_id: Whose chat.
        expert_id: The expert.
        content: What it says; control characters are left out.
        message_id: The message's id. If there is one with it, in whatever chat, nothing is written.
        metadata: What else belongs to it.

    Returns:
        The chat session's id, or null where the message was there.

    Raises:
        ExpertNotFoundError: There is no chat with such an expert, and none can be made: the user
            has no such expert, or it is archived.
        ForeignKeyViolationError: The same in databases of AutoGPT v0.7.1: there is no such expert
            or user.
    """
    return await post_as_expert(
        database,
        {
            "user_id": user_id,
            "expert_id": expert_id,
            "content": content,
            "message_id": message_id,
            "metadata": metadata,
        },
    )


@operation(reads=False, repeat=harmless("A message is posted once: a repeat returns null."))
async def append_plain_session_message(
    database: Database,
    user_id: str,
    content: CleanText,
    message_id: str,
    metadata: JsonObject | None = None,
) -> str | None:
    """Post a message into a user's newest chat without an expert, or into a new one.

    Args:
        user_id: Whose chat; what the service dreams at night is none.
        content: What it says; control characters are left out.
        message_id: The message's id. If there is one with it, in whatever chat, nothing is written.
        metadata: What else belongs to it.

    Returns:
        The chat session's id, or null where the message was there.

    Raises:
        ForeignKeyViolationError: There is no such user.
    """
    parameters = {
        "user_id": user_id,
        "content": content,
        "message_id": message_id,
        "metadata": metadata,
    }
    _, session_id = await _post(database, _PLAIN, parameters)
    return session_id


async def post_as_expert(database: Database, parameters: Mapping[str, Any]) -> str | None:
    """Do what `append_expert_run_message` does, for other methods.

    Args:
        database: A handle for the call.
        parameters: Its arguments.
    """
    found, session_id = await _post(database, _WITH_EXPERT(database.capabilities), parameters)
    if not found:
        raise ExpertNotFoundError(parameters["expert_id"])
    return session_id


async def _post(
    database: Database, thread: _Thread, parameters: Mapping[str, Any]
) -> tuple[bool, str | None]:
    """Post a message; return whether there is a session for it, and the one it was written into."""
    async with database.transaction() as transaction:
        await transaction.execute(thread.lock, parameters)
        made: str | None = None
        for _ in range(ATTEMPTS):
            row = await transaction.row(thread.post, parameters)
            assert row is not None, "of no table"
            known, session_id, posted_in, now_made = row
            made = made or now_made
            if known and made is not None:
                # Another thread has posted it since: nobody needs what was made for it.
                await transaction.execute(_UNMAKE, {"session_id": made})
            if known or session_id is None or posted_in is not None:
                return known or session_id is not None, posted_in
        raise StatementCollidedError(
            "Others write messages into the same chat session all the time; try again shortly."
        )
