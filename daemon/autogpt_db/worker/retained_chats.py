"""Chats that the job retain deletes by age: what was said long ago, or a chat as a whole.

No index knows how old a chat or a message is, so a run goes through all chats once, by their ids, a
page at a time. What a public page still shows stays, and so does what is at work. A chat's row is
locked meanwhile, as by everybody who adds messages to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities

_SESSIONS: LiteralString = """
page AS MATERIALIZED (
    SELECT "id"
      FROM platform."ChatSession"
     WHERE "id" > %(after)s
     ORDER BY "id"
     LIMIT LEAST(%(page)s::bigint, %(batch)s)
)"""
"""Few at a time: each one's messages are looked at."""

_NEXT: LiteralString = """CASE WHEN count(*) = %(batch)s
            THEN COALESCE(
                (SELECT max(page."id") FROM page WHERE page."id" < max(gone."sessionId")),
                %(after)s
            )
            ELSE (SELECT max(page."id") FROM page)
       END"""
"""Where the next batch goes on: a full one may have left messages of the last chat that it met."""


def _unshared(capabilities: Capabilities) -> LiteralString:
    return (
        """
       AND NOT session."isShared\""""
        if capabilities.share
        else ""
    )


def messages(capabilities: Capabilities) -> LiteralString | None:
    """Return the statement that deletes old messages, turn by turn from a chat's beginning.

    What stays of a chat begins with words of its user: a tool's answers without their call, or an
    answer without its question, are nothing that a model or a page could go on from. The latest
    turn always stays, and with it the number that the next message follows.

    Args:
        capabilities: What the database has.
    """
    if not capabilities.chats:
        return None
    at_rest: LiteralString = ""
    if capabilities.chat_status:
        at_rest = """
       AND (session."chatStatus" = 'idle' OR session."updatedAt" < %(horizon)s)"""
    return f"""
WITH {_SESSIONS}, session AS MATERIALIZED (
    SELECT session."id", beginning."sequence" AS beginning
      FROM page
      JOIN platform."ChatSession" AS session ON session."id" = page."id"
      LEFT JOIN LATERAL (
           SELECT message."sequence"
             FROM platform."ChatMessage" AS message
            WHERE message."sessionId" = session."id"
              AND message."createdAt" >= %(horizon)s
            ORDER BY message."sequence"
            LIMIT 1
           ) AS young ON true
     CROSS JOIN LATERAL (
           SELECT message."sequence"
             FROM platform."ChatMessage" AS message
            WHERE message."sessionId" = session."id"
              AND message."role" = 'user'
              AND message."sequence" <= COALESCE(young."sequence", 2147483647)
            ORDER BY message."sequence" DESC
            LIMIT 1
           ) AS beginning
     WHERE EXISTS (
           SELECT
             FROM platform."ChatMessage" AS message
            WHERE message."sessionId" = session."id"
              AND message."sequence" < beginning."sequence"
           ){_unshared(capabilities)}{at_rest}
       FOR UPDATE OF session SKIP LOCKED
), gone AS (
    DELETE FROM platform."ChatMessage"
     WHERE "id" = ANY (ARRAY(
           SELECT message."id"
             FROM session
            CROSS JOIN LATERAL (
                  SELECT "id", "sequence"
                    FROM platform."ChatMessage"
                   WHERE "sessionId" = session."id"
                     AND "sequence" < session.beginning
                   ORDER BY "sequence"
                   LIMIT %(batch)s
                  ) AS message
            ORDER BY session."id", message."sequence"
            LIMIT %(batch)s
     ))
    RETURNING "sessionId"
)
SELECT count(*),
       {_NEXT}
  FROM gone
"""


def sessions(capabilities: Capabilities) -> LiteralString | None:
    """Return the statement that deletes chats which nobody has changed for long.

    A long one goes in several batches, from its beginning, and its row with its last messages.
    Pinned ones stay.

    Args:
        capabilities: What the database has.
    """
    if not capabilities.chats:
        return None
    unpinned: LiteralString = ""
    if capabilities.pinned_chats:
        unpinned = """
       AND NOT session."isPinned\""""
    return f"""
WITH {_SESSIONS}, session AS MATERIALIZED (
    SELECT session."id"
      FROM page
      JOIN platform."ChatSession" AS session ON session."id" = page."id"
     WHERE session."updatedAt" < %(horizon)s{_unshared(capabilities)}{unpinned}
       FOR UPDATE OF session SKIP LOCKED
), message AS MATERIALIZED (
    SELECT message."id", message."sessionId"
      FROM session
     CROSS JOIN LATERAL (
           SELECT "id", "sessionId", "sequence"
             FROM platform."ChatMessage"
            WHERE "sessionId" = session."id"
            ORDER BY "sequence"
            LIMIT %(batch)s
           ) AS message
     ORDER BY session."id", message."sequence"
     LIMIT %(batch)s
), gone AS (
    DELETE FROM platform."ChatMessage"
     WHERE "id" = ANY (ARRAY(SELECT message."id" FROM message))
    RETURNING "sessionId"
), emptied AS (
    DELETE FROM platform."ChatSession"
     WHERE "id" = ANY (ARRAY(
           SELECT session."id"
             FROM session
            WHERE NOT EXISTS (
                  SELECT
                    FROM platform."ChatMessage" AS other
                   WHERE other."sessionId" = session."id"
                     AND other."id" <> ALL (ARRAY(SELECT message."id" FROM message))
                  )
     ))
    RETURNING "id"
)
SELECT count(*) + (SELECT count(*) FROM emptied),
       {_NEXT}
  FROM gone
"""
