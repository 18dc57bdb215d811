"""The numbers of a chat session's messages: from 0 on, each once.

Whoever writes messages locks their session's row first, and the messages' places in the unique
index after that, everywhere in the same order: then nobody waits for another in a circle, and who
has the row knows which number is the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.errors import UniqueViolationError

if TYPE_CHECKING:
    from typing import LiteralString

ATTEMPTS = 5
"""Tries to get numbers, while others take them who lock no session."""


LOCKED_CALLS: LiteralString = """call AS MATERIALIZED (
    -- Locked in the order of the calls, which is that of their keys.
    SELECT given.*
      FROM given
     CROSS JOIN LATERAL (
            SELECT
              FROM platform."ChatSession" AS session
             WHERE session."id" = given.session_id
               FOR NO KEY UPDATE
           ) AS session
)"""
"""Of a batch's calls, `given`, those whose session there is; locked."""


def next_sequence(session: LiteralString) -> LiteralString:
    """Return the number that follows the highest of a session's messages, as SQL.

    Args:
        session: The session's id, as SQL.
    """
    return f"""COALESCE(
               (
                   SELECT latest."sequence" + 1
                     FROM platform."ChatMessage" AS latest
                    WHERE latest."sessionId" = {session}
                    ORDER BY latest."sequence" DESC
                    LIMIT 1
               ),
               0
           )"""


def told(error: UniqueViolationError) -> UniqueViolationError:
    """Return the failure of a message that is there anew, with the name that callers look for.

    A message that is sent once more has the id of the first: callers know it by the constraint's
    name in the text, and then go on with what the first has started.

    Args:
        error: What PostgreSQL refused.
    """
    constraint = "ChatMessage_pkey" if error.fields == "`id`" else ""
    return UniqueViolationError(error.fields, constraint=constraint)
