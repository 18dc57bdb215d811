"""Where chat sessions stand: idle, queued or running, and who waits the longest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db import models
from autogpt_db.database.capabilities import ForSchema
from autogpt_db.errors import InvalidValueError
from autogpt_db.operations import (
    BOUNDED_CALLS,
    FEW_CALLS,
    Database,
    Merged,
    Reply,
    operation,
)
from autogpt_db.operations.chats.chat_documents import SESSION
from autogpt_db.operations.short_lists import fetch_short_list, short_list
from autogpt_db.signatures.repeats import harmless

if TYPE_CHECKING:
    from typing import LiteralString

STATUSES = ("idle", "queued", "running")

_COUNT = Merged(
    single="""
SELECT to_json(count(*))
  FROM platform."ChatSession" AS session
 WHERE session."userId" = %(user_id)s
   AND session."chatStatus" = %(status)s::platform."ChatSessionStatus"
""",
    batch=f"""
SELECT call.place, to_json(counted.number)
  FROM json_to_recordset(%(calls)s::json) AS call (place integer, user_id text, status text)
 CROSS JOIN LATERAL (
        SELECT count(*) AS number
          FROM platform."ChatSession" AS session
         WHERE session."userId" = call.user_id
           AND session."chatStatus" = call.status::platform."ChatSessionStatus"
       ) AS counted
 WHERE {FEW_CALLS}
""",
    texts=("user_id", "status"),
    reads=True,
)

_LIST = ForSchema(
    lambda capabilities: short_list(
        f"""
SELECT {SESSION(capabilities)} AS document
  FROM platform."ChatSession" AS session
 WHERE session."userId" = %(user_id)s
   AND session."chatStatus" = %(status)s::platform."ChatSessionStatus"
 ORDER BY session."updatedAt", session."id"
""",
        "user_id",
        "status",
    )
)

_GET: LiteralString = """
SELECT to_json(session."chatStatus")
  FROM platform."ChatSession" AS session
 WHERE session."id" = %(session_id)s
"""

_UPDATE = Merged(
    single="""
WITH changed AS (
    UPDATE platform."ChatSession" AS session
       SET "chatStatus" = %(status)s::platform."ChatSessionStatus",
           "updatedAt" = autogpt_db.now_v1()
     WHERE session."id" = %(session_id)s
       AND session."chatStatus" = COALESCE(
           %(expect_status)s::platform."ChatSessionStatus", session."chatStatus"
       )
       AND session."userId" = COALESCE(%(user_id)s, session."userId")
    RETURNING session."id"
)
SELECT to_json(EXISTS (SELECT FROM changed))
""",
    batch=f"""
WITH call AS MATERIALIZED (
    -- Locked in the order of the calls, which is that of their keys; and only what is changed.
    SELECT call.place, call.session_id, call.status, session."id" IS NOT NULL AS is_changed
      FROM {BOUNDED_CALLS} AS call (
               place integer, session_id text, status text, expect_status text, user_id text
           )
      LEFT JOIN LATERAL (
            SELECT session."id"
              FROM platform."ChatSession" AS session
             WHERE session."id" = call.session_id
               AND session."chatStatus" = COALESCE(
                   call.expect_status::platform."ChatSessionStatus", session."chatStatus"
               )
               AND session."userId" = COALESCE(call.user_id, session."userId")
               FOR NO KEY UPDATE
           ) AS session ON true
     WHERE {FEW_CALLS}
), changed AS (
    UPDATE platform."ChatSession" AS session
       SET "chatStatus" = call.status::platform."ChatSessionStatus",
           "updatedAt" = autogpt_db.now_v1()
      FROM call
     WHERE call.is_changed
       AND session."id" = call.session_id
)
SELECT call.place, to_json(call.is_changed)
  FROM call
""",
    texts=("session_id", "status", "expect_status", "user_id"),
    key=("session_id",),
    answer=("call.place", "to_json(call.is_changed)"),
)


@operation(reads=True)
async def count_chat_sessions_by_status(
    database: Database, user_id: str, status: str
) -> Reply[int]:
    """Count a user's sessions in a status.

    Args:
        user_id: Whose sessions.
        status: `idle`, `queued` or `running`.

    Raises:
        InvalidValueError: It is none of those.
    """
    return await database.merged(_COUNT, {"user_id": user_id, "status": _checked("status", status)})


@operation(reads=True, heavy=True)
async def list_chat_sessions_by_status(
    database: Database, user_id: str, status: str
) -> Reply[list[models.ChatSessionInfo]]:
    """List a user's sessions in a status, the one first that was changed the longest ago.

    Args:
        user_id: Whose sessions.
        status: `idle`, `queued` or `running`.

    Raises:
        InvalidValueError: It is none of those.
        ResultTooLargeError: The list is longer or larger than the settings allow.
    """
    return await fetch_short_list(
        database,
        _LIST(database.capabilities),
        {"user_id": user_id, "status": _checked("status", status)},
        narrow="ask get_user_chat_sessions for pages",
    )


@operation(reads=True)
async def get_chat_session_status(database: Database, session_id: str) -> Reply[str | None]:
    """Return where a session stands: `idle`, `queued` or `running`; null where there is none.

    Args:
        session_id: The session.
    """
    return await database.json(_GET, {"session_id": session_id})


@operation(
    reads=False,
    at_once=True,
    repeat=harmless("Sets the same status; with another `expect_status` returns false."),
)
async def update_chat_session_status(
    database: Database,
    session_id: str,
    status: str,
    expect_status: str | None = None,
    user_id: str | None = None,
) -> Reply[bool]:
    """Set where a session stands; it counts as changed now.

    Of several who claim a session that waits, by what they expect, one gets it.

    Args:
        session_id: The session.
        status: `idle`, `queued` or `running`.
        expect_status: What it must stand at.
        user_id: Whose it must be.

    Returns:
        Whether there is such a session.

    Raises:
        InvalidValueError: A status is none of those.
    """
    parameters = {
        "session_id": session_id,
        "status": _checked("status", status),
        "expect_status": None
        if expect_status is None
        else _checked("expect_status", expect_status),
        "user_id": user_id,
    }
    return await database.merged(_UPDATE, parameters)


def _checked(name: str, status: str) -> str:
    if status not in STATUSES:
        raise InvalidValueError(f"{name} is none of {', '.join(STATUSES)}.")
    return status
