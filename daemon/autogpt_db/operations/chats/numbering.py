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


def locked(session: LiteralString) -> LiteralString:
    """Return a row for a session that there is, locked when it is read, as SQL to join laterally.

    What it is joined with is locked in its own order. A batch's calls are in that of their keys.

    Args:
        session: The session's id, as SQL.
    """
    return f"""LATERAL (
            SELECT session."id"
              FROM platform."ChatSession" AS session
             WHERE session."id" = {session}
               FOR NO KEY UPDATE
           ) AS session"""


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
