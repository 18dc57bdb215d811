"""The statements for pages of a chat session's messages: by its index, and linear in the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.database.capabilities import ForSchema
from autogpt_db.operations.chats.chat_documents import MESSAGE, SESSION, SOURCE_KNOWN
from autogpt_db.operations.chats.scope import IN_ORGANIZATION

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities

_BETWEEN: LiteralString = "2"
"""Bytes between two messages of a reply."""
_VISIBLE: LiteralString = "IN ('user', 'assistant')"

# A page never begins amid a tool's answers, and shows something to the user: what is missing
# of that is looked for among the 10, then the 200 messages before it.
_WIDENED: LiteralString = f"""
), before_tools AS (
    SELECT older."sequence", older."role"
      FROM page
     CROSS JOIN LATERAL (
           SELECT message."sequence", message."role"
             FROM platform."ChatMessage" AS message
            WHERE message."sessionId" = %(session_id)s
              AND message."sequence" < page.oldest
            ORDER BY message."sequence" DESC
            LIMIT 10
           ) AS older
     WHERE page.oldest_role = 'tool'
), tools AS (
    SELECT COALESCE(
               max(before_tools."sequence") FILTER (WHERE before_tools."role" <> 'tool'),
               min(before_tools."sequence")
           ) AS oldest
      FROM before_tools
), whole AS (
    SELECT COALESCE(tools.oldest, page.oldest) AS oldest,
           page.newest,
           tools.oldest AS widened_to,
           page.visible OR EXISTS (
               SELECT
                 FROM before_tools
                WHERE before_tools."sequence" >= tools.oldest
                  AND before_tools."role" {_VISIBLE}
           ) AS visible
      FROM page CROSS JOIN tools
), before_visible AS (
    SELECT older."sequence", older."role"
      FROM whole
     CROSS JOIN LATERAL (
           SELECT message."sequence", message."role"
             FROM platform."ChatMessage" AS message
            WHERE message."sessionId" = %(session_id)s
              AND message."sequence" < whole.oldest
            ORDER BY message."sequence" DESC
            LIMIT 200
           ) AS older
     WHERE NOT whole.visible
), shown AS (
    SELECT COALESCE(
               max(before_visible."sequence") FILTER (WHERE before_visible."role" {_VISIBLE}),
               min(before_visible."sequence")
           ) AS oldest
      FROM before_visible
), bounds AS (
    SELECT COALESCE(shown.oldest, whole.oldest) AS oldest,
           whole.newest,
           COALESCE(COALESCE(shown.oldest, whole.widened_to) > 0, found.has_more) AS has_more
      FROM whole CROSS JOIN shown CROSS JOIN found
)"""

_EXACT: LiteralString = """
), bounds AS (
    SELECT page.oldest, page.newest, found.has_more
      FROM page CROSS JOIN found
)"""


def _page(capabilities: Capabilities, bounds: LiteralString) -> LiteralString:
    """Return the statement for a page: the newest message first, and beside it the session.

    A message takes as many bytes as its content at least, which is known without reading it. So
    no documents are made of messages that have no room in a reply. What is said once stands in the
    first row alone: each value of each row costs its reader something.

    Args:
        capabilities: What the database has.
        bounds: What the page is widened to.
    """
    return f"""
WITH asked AS (
    SELECT found.document, octet_length(found.document::text) AS bytes
      FROM (
           SELECT {SESSION(capabilities)} AS document
             FROM platform."ChatSession" AS session
            WHERE session."id" = %(session_id)s
              AND (%(user_id)s::text IS NULL OR session."userId" = %(user_id)s)
              AND {IN_ORGANIZATION(capabilities)}
           OFFSET 0
           ) AS found
), newest AS (
    SELECT message."sequence",
           message."role",
           row_number() OVER descending AS place,
           sum(COALESCE(octet_length(message."content"), 0)) OVER descending AS least_bytes
      FROM platform."ChatMessage" AS message
     WHERE message."sessionId" = %(session_id)s
       AND message."sequence" < COALESCE(%(before_sequence)s::bigint, 2147483648)
       AND message."sequence" >= COALESCE(%(after_sequence)s::bigint, -2147483648)
    WINDOW descending AS (ORDER BY message."sequence" DESC ROWS UNBOUNDED PRECEDING)
     ORDER BY message."sequence" DESC
     LIMIT %(limit)s::bigint + 1
), found AS (
    SELECT count(*) > %(limit)s::bigint AS has_more FROM newest
), page AS (
    SELECT min(newest."sequence") AS oldest,
           max(newest."sequence") AS newest,
           bool_or(newest."role" {_VISIBLE}) AS visible,
           (array_agg(newest."role" ORDER BY newest."sequence"))[1] AS oldest_role,
           bool_and(newest.least_bytes <= %(most_bytes)s) AS has_room,
           min(newest."sequence") FILTER (WHERE newest.least_bytes <= %(most_bytes)s) AS fitting
      FROM newest
     WHERE newest.place <= %(limit)s::bigint{bounds}
SELECT CASE WHEN place.begins THEN asked.document END,
       CASE WHEN place.begins THEN bounds.has_more END,
       CASE WHEN place.begins THEN bounds.oldest END,
       listed."sequence",
       listed.document,
       NULLIF(listed.source_known, true)
  FROM asked
 CROSS JOIN bounds
  LEFT JOIN (
       SELECT each."sequence",
              each.document,
              each.source_known,
              sum(octet_length(each.document::text) + {_BETWEEN})
                  OVER (ORDER BY each."sequence" DESC ROWS UNBOUNDED PRECEDING) AS bytes
         FROM (
              SELECT message."sequence",
                     {MESSAGE(capabilities)} AS document,
                     {SOURCE_KNOWN(capabilities)} AS source_known
                FROM platform."ChatMessage" AS message
               WHERE message."sessionId" = %(session_id)s
                 AND message."sequence" >= (
                     SELECT CASE WHEN page.has_room THEN bounds.oldest ELSE page.fitting END
                       FROM bounds CROSS JOIN page
                 )
                 AND message."sequence" <= (SELECT bounds.newest FROM bounds)
               ORDER BY message."sequence" DESC
              OFFSET 0
              ) AS each
       ) AS listed ON listed.bytes + asked.bytes <= %(most_bytes)s
 CROSS JOIN LATERAL (
       SELECT listed."sequence" IS NOT DISTINCT FROM bounds.newest AS begins
       ) AS place
 ORDER BY listed."sequence" DESC
"""


WIDENED_PAGE = ForSchema(lambda capabilities: _page(capabilities, _WIDENED))
"""A page that begins where somebody speaks, and not amid a tool's answers."""

EXACT_PAGE = ForSchema(lambda capabilities: _page(capabilities, _EXACT))
"""A page of just what is asked for."""
