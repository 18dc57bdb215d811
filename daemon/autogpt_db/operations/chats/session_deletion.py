"""Chat sessions, deleted: with their messages, and with what was shared by them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autogpt_db.database.capabilities import ForSchema
from autogpt_db.operations import Database, operation
from autogpt_db.operations.chats.scope import LISTED_IN_ORGANIZATION
from autogpt_db.signatures.repeats import harmless

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities


class _Deleting(NamedTuple):
    """How a session is deleted.

    Attributes:
        lock: Locks it, so that nothing more is shared by it; returns whether it is shared.
        lock_executions: Locks what it shares, so that of several sessions that share one execution
            and are deleted at once, the last one ends its sharing.
        take_back: Ends the sharing of executions that only it has shared.
        delete: Deletes it.
    """

    lock: LiteralString
    lock_executions: LiteralString
    take_back: LiteralString
    delete: LiteralString


def _deleting(capabilities: Capabilities) -> _Deleting:
    shared: LiteralString = "false"
    lock_executions: LiteralString = ""
    take_back: LiteralString = ""
    if capabilities.share:
        shared = 'session."isShared"'
        lock_executions = """
SELECT execution."id"
  FROM platform."AgentGraphExecution" AS execution
  JOIN platform."ChatLinkedShare" AS link ON link."executionId" = execution."id"
 WHERE link."sessionId" = %(session_id)s
 ORDER BY execution."id"
   FOR NO KEY UPDATE OF execution
"""
        # Executions that the user has shared as such stay so.
        take_back = """
WITH taken_back AS (
    UPDATE platform."AgentGraphExecution" AS execution
       SET "isShared" = false,
           "shareToken" = NULL,
           "sharedAt" = NULL,
           "sharedVia" = NULL,
           "updatedAt" = autogpt_db.now_v1()
      FROM platform."ChatLinkedShare" AS link
     WHERE link."sessionId" = %(session_id)s
       AND execution."id" = link."executionId"
       AND execution."sharedVia" = 'CHAT_LINK'
       AND NOT EXISTS (
           SELECT
             FROM platform."ChatLinkedShare" AS another
            WHERE another."executionId" = link."executionId"
              AND another."sessionId" <> link."sessionId"
       )
    RETURNING execution."id"
)
DELETE FROM platform."SharedExecutionFile" AS file
 USING taken_back
 WHERE file."executionId" = taken_back."id"
"""
    return _Deleting(
        lock=f"""
SELECT {shared}
  FROM platform."ChatSession" AS session
 WHERE session."id" = %(session_id)s
   AND session."userId" = COALESCE(%(user_id)s, session."userId")
   AND {LISTED_IN_ORGANIZATION(capabilities)}
   FOR UPDATE
""",
        lock_executions=lock_executions,
        take_back=take_back,
        delete="""
DELETE FROM platform."ChatSession" AS session WHERE session."id" = %(session_id)s
""",
    )


_DELETING = ForSchema(_deleting)


@operation(reads=False, repeat=harmless("Finds no such session any more, and returns false."))
async def delete_chat_session(
    database: Database,
    session_id: str,
    user_id: str | None = None,
    organization_id: str | None = None,
) -> bool:
    """Delete a session with its messages, and end the sharing of what only it has shared.

    Args:
        session_id: The session.
        user_id: Whose it must be.
        organization_id: Where it must belong, unless it belongs nowhere; an expert's may belong
            anywhere, from v0.7.2 on.

    Returns:
        Whether there was such a session; else nothing is done.
    """
    statements = _DELETING(database.capabilities)
    parameters = {
        "session_id": session_id,
        "user_id": user_id,
        "organization_id": organization_id,
    }
    async with database.transaction() as transaction:
        row = await transaction.row(statements.lock, parameters)
        if row is None:
            return False
        if row[0]:
            await transaction.rows(statements.lock_executions, parameters)
            await transaction.execute(statements.take_back, parameters)
        return await transaction.execute(statements.delete, parameters) > 0
