"""Chats that the job retain deletes by age: what was said long ago, or a chat as a whole.

No index knows how old a chat or a message is, so a run goes through all chats once, by their ids, a
few at a time. What a public page still shows stays, and so does what is at work.

Each transaction deletes whole turns. So what is left by a run that ends early begins with words of
its user, too: a tool's answers without their call, or an answer without its question, are nothing
that a model or a page could go on from. Of a chat it looks at little more than it may delete, and
the rows of those alone are locked that it deletes from, as by everybody who adds messages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities

_PAGE: LiteralString = """
page AS MATERIALIZED (
    SELECT "id"
      FROM platform."ChatSession"
     WHERE "id" > %(after)s
     ORDER BY "id"
     LIMIT (SELECT LEAST(%(page)s::bigint, 50) FROM set_config('lock_timeout', '200ms', true))
)"""
"""Few at a time: each one's messages are looked at.

Reading them bounds how long the statement waits for a message that somebody holds: it has locked
the message's chat by then, and whoever wants to add to that waits as well.
"""

_LOOK: LiteralString = "LEAST(%(batch)s::bigint, 1000)"
"""Messages that go of one chat at once; one more is looked at, which may be the first to stay."""

_FOLLOWING: LiteralString = """
      LEFT JOIN LATERAL (
           SELECT message."sequence"
             FROM platform."ChatMessage" AS message
            WHERE message."sessionId" = session."id"
              AND message."role" = 'user'
              AND message."sequence" > look.last
              AND look.more
              AND look.beginning IS NULL
            ORDER BY message."sequence"
            LIMIT 1
           ) AS following ON true"""
"""Where the next turn begins, if the first is longer than what was looked at: it goes at once."""

_FOUND: LiteralString = """
found AS MATERIALIZED (
    SELECT chat."id", chat.beginning, chat.more,
           row_number() OVER in_order = 1 OR sum(chat.going) OVER in_order <= %(batch)s AS taken
      FROM chat
    WINDOW in_order AS (ORDER BY chat."id")
)"""
"""The chats of which something goes; as many are taken as a transaction may empty, at least one."""

_GONE: LiteralString = """
gone AS (
    DELETE FROM platform."ChatMessage"
     WHERE "id" = ANY (ARRAY(
           SELECT message."id"
             FROM session
             JOIN found ON found."id" = session."id"
            CROSS JOIN LATERAL (
                  SELECT "id"
                    FROM platform."ChatMessage"
                   WHERE "sessionId" = session."id"
                     AND "sequence" < COALESCE(found.beginning::bigint, 2147483648)
                   ORDER BY "sequence"
                  ) AS message
     ))
    RETURNING "id"
)"""

_NEXT: LiteralString = """
       CASE WHEN unfinished."id" IS NULL
            THEN (SELECT max(page."id") FROM page)
            ELSE COALESCE(
                (SELECT max(page."id") FROM page WHERE page."id" < unfinished."id"),
                %(after)s
            )
       END
  FROM (
       SELECT min(found."id") AS "id"
         FROM found
         LEFT JOIN session ON session."id" = found."id"
        WHERE NOT found.taken
           OR (found.more AND session."id" IS NOT NULL)
  ) AS unfinished
"""
"""Where the next batch goes on: before the first chat that has more. What others hold is left."""


def _look(old: LiteralString) -> LiteralString:
    """Return what says of a chat's first messages how many of them go, and what stays then.

    Args:
        old: A condition on a message's place, or on what was said before it: a message of the
            user's may be the first that stays.
    """
    return f"""
     CROSS JOIN LATERAL (
           SELECT max(message."sequence") FILTER (WHERE message.stays) AS beginning,
                  max(message.place) FILTER (WHERE message.stays) - 1 AS going,
                  max(message."sequence") AS last,
                  count(*) AS looked,
                  count(*) > {_LOOK} AS more
             FROM (
                  SELECT first."sequence",
                         row_number() OVER in_order AS place,
                         first."role" = 'user' AND {old} AS stays
                    FROM (
                         SELECT "sequence", "role", "createdAt"
                           FROM platform."ChatMessage"
                          WHERE "sessionId" = session."id"
                          ORDER BY "sequence"
                          LIMIT {_LOOK} + 1
                         ) AS first
                  WINDOW in_order AS (ORDER BY first."sequence")
             ) AS message
           ) AS look"""


def _unshared(capabilities: Capabilities) -> LiteralString:
    return (
        """
       AND NOT session."isShared\""""
        if capabilities.share
        else ""
    )


def messages(capabilities: Capabilities) -> LiteralString | None:
    """Return the statement that deletes old messages, turn by turn from a chat's beginning.

    The latest turn always stays, and with it the number that the next message follows.

    Args:
        capabilities: What the database has.
    """
    if not capabilities.chats:
        return None
    staying = _unshared(capabilities)
    if capabilities.chat_status:
        staying += """
       AND (session."chatStatus" = 'idle' OR session."updatedAt" < %(horizon)s)"""
    old: LiteralString = """bool_and(first."createdAt" < %(horizon)s) OVER (
                             in_order ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                         )"""
    return f"""
WITH {_PAGE}, chat AS (
    SELECT session."id", COALESCE(look.beginning, following."sequence") AS beginning, look.more,
           COALESCE(look.going, %(batch)s) AS going
      FROM page
      JOIN platform."ChatSession" AS session ON session."id" = page."id"{_look(old)}{_FOLLOWING}
     WHERE (
           SELECT message."createdAt"
             FROM platform."ChatMessage" AS message
            WHERE message."sessionId" = session."id"
            ORDER BY message."sequence"
            LIMIT 1
           ) < %(horizon)s
       AND (
           look.beginning IS NOT NULL
           OR following."sequence" IS NOT NULL
          AND NOT EXISTS (
              SELECT
                FROM platform."ChatMessage" AS message
               WHERE message."sessionId" = session."id"
                 AND message."sequence" < following."sequence"
                 AND message."createdAt" >= %(horizon)s
           )
       ){staying}
), {_FOUND}, session AS MATERIALIZED (
    SELECT session."id"
      FROM platform."ChatSession" AS session
     WHERE session."id" = ANY (ARRAY(SELECT found."id" FROM found WHERE found.taken)){staying}
       FOR NO KEY UPDATE SKIP LOCKED
), {_GONE}
SELECT (SELECT count(*) FROM gone),{_NEXT}"""


def sessions(capabilities: Capabilities) -> LiteralString | None:
    """Return the statement that deletes chats which nobody has changed for long.

    A long one goes in several batches, from its beginning, and its row with its last messages.
    Pinned ones stay.

    Args:
        capabilities: What the database has.
    """
    if not capabilities.chats:
        return None
    staying: LiteralString = """
       AND session."updatedAt" < %(horizon)s"""
    staying += _unshared(capabilities)
    if capabilities.pinned_chats:
        staying += """
       AND NOT session."isPinned\""""
    behind: LiteralString = "row_number() OVER in_order > 1"
    return f"""
WITH {_PAGE}, chat AS (
    SELECT session."id", look.more,
           CASE WHEN look.more
                THEN COALESCE(look.beginning, following."sequence")
           END AS beginning,
           CASE WHEN look.more
                THEN COALESCE(look.going, %(batch)s)
                ELSE look.looked
           END AS going
      FROM page
      JOIN platform."ChatSession" AS session ON session."id" = page."id"{_look(behind)}{_FOLLOWING}
     WHERE true{staying}
), {_FOUND}, session AS MATERIALIZED (
    SELECT session."id"
      FROM platform."ChatSession" AS session
     WHERE session."id" = ANY (ARRAY(SELECT found."id" FROM found WHERE found.taken)){staying}
       FOR UPDATE SKIP LOCKED
), {_GONE}, emptied AS (
    DELETE FROM platform."ChatSession"
     WHERE "id" = ANY (ARRAY(
           SELECT session."id"
             FROM session
             JOIN found ON found."id" = session."id"
            WHERE found.beginning IS NULL
     ))
    RETURNING "id"
)
SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM emptied),{_NEXT}"""
