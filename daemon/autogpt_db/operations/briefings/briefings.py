"""Briefings: one for each user and day, made by AutoGPT's scheduler and delivered as a message."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from autogpt_db import models
from autogpt_db.operations import Database, JsonObject, Limit, Reply, operation
from autogpt_db.operations.filters import Ordering, limited
from autogpt_db.signatures.bounds import fetch_list, listed
from autogpt_db.signatures.repeats import harmful, harmless

if TYPE_CHECKING:
    from typing import LiteralString

_DOCUMENT: LiteralString = """json_build_object(
           'id', briefing."id",
           'user_id', briefing."userId",
           'briefing_date', briefing."briefingDate",
           'content', CASE jsonb_typeof(briefing."content")
               WHEN 'object' THEN briefing."content"
               ELSE '{}'
           END,
           'created_at', autogpt_db.iso_v1(briefing."createdAt"),
           'delivered_at', autogpt_db.iso_v1(briefing."deliveredAt")
       )"""

# The update changes nothing: it makes the statement return the row that is there.
_CREATE: LiteralString = f"""
WITH briefing AS (
    INSERT INTO platform."UserBriefing" ("id", "createdAt", "userId", "briefingDate", "content")
    VALUES (gen_random_uuid()::text, autogpt_db.now_v1(), %(user_id)s, %(briefing_date)s::date,
            %(content)s::jsonb)
        ON CONFLICT ("userId", "briefingDate") DO UPDATE SET "userId" = EXCLUDED."userId"
    RETURNING *
)
SELECT {_DOCUMENT} FROM briefing
"""

_OF_DAY: LiteralString = f"""
SELECT {_DOCUMENT}
  FROM platform."UserBriefing" AS briefing
 WHERE briefing."userId" = %(user_id)s AND briefing."briefingDate" = %(briefing_date)s::date
"""

_LATEST_FIRST = Ordering(
    forward='briefing."briefingDate" DESC',
    backward='briefing."briefingDate"',
)

_MARK_DELIVERED: LiteralString = """
UPDATE platform."UserBriefing"
   SET "deliveredAt" = autogpt_db.now_v1()
 WHERE "id" = %(briefing_id)s AND "userId" = %(user_id)s
"""

_REPLACE_CONTENT: LiteralString = """
UPDATE platform."UserBriefing"
   SET "content" = %(content)s::jsonb
 WHERE "id" = %(briefing_id)s AND "userId" = %(user_id)s
"""


@operation(reads=False, repeat=harmless("Returns what the first call has made."))
async def create_briefing(
    database: Database, user_id: str, briefing_date: date, content: JsonObject
) -> Reply[models.UserBriefing]:
    """Make a user's briefing of a day, or return the one that there is, as it is.

    Args:
        user_id: Whose briefing.
        briefing_date: The day.
        content: What a new one says.

    Raises:
        ForeignKeyViolationError: There is no such user.
    """
    document = await database.json(
        _CREATE, {"user_id": user_id, "briefing_date": briefing_date, "content": content}
    )
    assert document is not None, "there is a row, new or old"
    return document


@operation(reads=True)
async def get_briefing_for_date(
    database: Database, user_id: str, briefing_date: date
) -> Reply[models.UserBriefing | None]:
    """Return a user's briefing of a day, or null.

    Args:
        user_id: Whose briefing.
        briefing_date: The day.
    """
    return await database.json(_OF_DAY, {"user_id": user_id, "briefing_date": briefing_date})


@operation(reads=True)
async def get_latest_briefings(
    database: Database, user_id: str, limit: Limit = 5
) -> Reply[list[models.UserBriefing]]:
    """List a user's briefings, that of the latest day first.

    Args:
        user_id: Whose briefings.
        limit: At most so many; a negative number means as many of the oldest.

    Raises:
        ResultTooLargeError: The list is longer or larger than the settings allow.
    """
    source, most = limited(
        'platform."UserBriefing" AS briefing',
        'briefing."userId" = %(user_id)s',
        _LATEST_FIRST,
        limit,
    )
    return await fetch_list(
        database,
        listed(f"SELECT {_DOCUMENT} AS document {source}"),
        {"user_id": user_id, "limit": most},
        narrow="give a smaller limit",
    )


@operation(reads=False, repeat=harmful("Moves the moment of delivery."))
async def mark_briefing_delivered(database: Database, user_id: str, briefing_id: str) -> None:
    """Say that a briefing has been delivered now; another user's, or none, is passed over.

    Args:
        user_id: Whose briefing.
        briefing_id: The briefing.
    """
    await database.execute(_MARK_DELIVERED, {"user_id": user_id, "briefing_id": briefing_id})


@operation(reads=False, repeat=harmless("Says the same again."))
async def update_briefing_content(
    database: Database, user_id: str, briefing_id: str, content: JsonObject
) -> None:
    """Replace what a briefing says; another user's, or none, is passed over.

    Args:
        user_id: Whose briefing.
        briefing_id: The briefing.
        content: What it says from now on.
    """
    await database.execute(
        _REPLACE_CONTENT, {"user_id": user_id, "briefing_id": briefing_id, "content": content}
    )
