"""Notifications that wait in batches: one batch for each user and type."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from autogpt_db.operations import Database, NotificationEvent, NotificationType, operation
from autogpt_db.operations.bounds import fetch_document
from autogpt_db.operations.repeats import harmful, harmless

if TYPE_CHECKING:
    from typing import LiteralString

log = structlog.get_logger("autogpt_db.operations")

MOST_TOLD: LiteralString = "20"
"""Users who are named in the log when their batches are left out."""

_EVENT = """
       json_build_object(
           'id', event."id",
           'type', event."type",
           'data', event."data",
           'created_at', autogpt_db.iso_v1(event."createdAt"),
           'updated_at', autogpt_db.iso_v1(event."updatedAt")
       )"""
_BATCH = f"""
       json_build_object(
           'user_id', batch."userId",
           'type', batch."type",
           'notifications', COALESCE(json_agg({_EVENT}
               ORDER BY event."createdAt"
           ) FILTER (WHERE event."id" IS NOT NULL), '[]'),
           'created_at', autogpt_db.iso_v1(batch."createdAt"),
           'updated_at', autogpt_db.iso_v1(batch."updatedAt")
       )"""

# The update changes nothing: it holds the batch, so that nobody who empties it just now can miss
# the event.
ADD = f"""
WITH batch AS (
    INSERT INTO platform."UserNotificationBatch"
           ("id", "userId", "type", "createdAt", "updatedAt")
    VALUES (gen_random_uuid()::text, %(user_id)s,
            %(notification_type)s::text::platform."NotificationType",
            autogpt_db.now_v1(), autogpt_db.now_v1())
        ON CONFLICT ("userId", "type") DO UPDATE SET "userId" = EXCLUDED."userId"
    RETURNING "id", "userId", "type", "createdAt", "updatedAt"
), added AS (
    INSERT INTO platform."NotificationEvent"
           ("id", "userNotificationBatchId", "type", "data", "createdAt", "updatedAt")
    SELECT gen_random_uuid()::text, batch."id", batch."type",
           %(notification_data)s::jsonb -> 'data',
           autogpt_db.now_v1(), autogpt_db.now_v1()
      FROM batch
    RETURNING "id", "type", "data", "createdAt", "updatedAt"
)
SELECT {_BATCH}
  FROM batch
 CROSS JOIN LATERAL (
       SELECT "id", "type", "data", "createdAt", "updatedAt"
         FROM platform."NotificationEvent"
        WHERE "userNotificationBatchId" = batch."id"
       UNION ALL
       SELECT "id", "type", "data", "createdAt", "updatedAt"
         FROM added
  ) AS event
 GROUP BY batch."id", batch."userId", batch."type", batch."createdAt", batch."updatedAt"
"""

BATCH = f"""
SELECT {_BATCH}
  FROM platform."UserNotificationBatch" AS batch
  LEFT JOIN platform."NotificationEvent" AS event ON event."userNotificationBatchId" = batch."id"
 WHERE batch."userId" = %(user_id)s
   AND batch."type" = %(notification_type)s::text::platform."NotificationType"
 GROUP BY batch."id"
"""

# No less than a batch takes in a reply: names, moments and quotes are short.
BATCH_SIZE: LiteralString = """
     CROSS JOIN LATERAL (
           SELECT count(*) AS events,
                  (sum(COALESCE(octet_length(event."data"::text), 4) + octet_length(event."id"))
                      + 300 * (count(*) + 1) + octet_length(batch."userId"))::bigint AS bytes
             FROM platform."NotificationEvent" AS event
            WHERE event."userNotificationBatchId" = batch."id"
           ) AS size"""

# The smallest first, so that one user's batch is in nobody's way, and each is read in the end when
# others have been emptied. A batch that stays out isn't put together at all.
BATCHES = f"""
WITH sized AS MATERIALIZED (
    SELECT batch."id", batch."userId", batch."createdAt", size.bytes
      FROM platform."UserNotificationBatch" AS batch{BATCH_SIZE}
     WHERE batch."type" = %(notification_type)s::text::platform."NotificationType"
       AND size.events > 0
), ranked AS (
    SELECT sized.*,
           sum(sized.bytes) OVER by_size <= %(most_bytes)s
               AND row_number() OVER by_size <= %(most_rows)s AS fits
      FROM sized
    WINDOW by_size AS (ORDER BY sized.bytes, sized."id" ROWS UNBOUNDED PRECEDING)
)
SELECT found.document, NULL, NULL, NULL
  FROM (
        SELECT one.document
          FROM ranked
         CROSS JOIN LATERAL (
               SELECT {_BATCH} AS document
                 FROM platform."UserNotificationBatch" AS batch
                 JOIN platform."NotificationEvent" AS event
                   ON event."userNotificationBatchId" = batch."id"
                WHERE batch."id" = ranked."id"
                GROUP BY batch."id"
               ) AS one
         WHERE ranked.fits
         ORDER BY ranked."createdAt", ranked."id"
       ) AS found
 UNION ALL
SELECT NULL, others.user_id, others.bytes, others.count
  FROM (
        SELECT ranked."userId" AS user_id, ranked.bytes, count(*) OVER () AS count
          FROM ranked
         WHERE NOT ranked.fits
         ORDER BY ranked.bytes DESC
         LIMIT {MOST_TOLD}
       ) AS others
"""

OLDEST = f"""
SELECT {_EVENT}
  FROM platform."UserNotificationBatch" AS batch
  JOIN platform."NotificationEvent" AS event ON event."userNotificationBatchId" = batch."id"
 WHERE batch."userId" = %(user_id)s
   AND batch."type" = %(notification_type)s::text::platform."NotificationType"
 ORDER BY event."createdAt"
 LIMIT 1
"""

# Waits for events that are being added. The next statement of the transaction sees them.
HOLD = """
SELECT "id"
  FROM platform."UserNotificationBatch"
 WHERE "userId" = %(user_id)s
   AND "type" = COALESCE(%(notification_type)s::text::platform."NotificationType", "type")
 ORDER BY "id"
   FOR UPDATE
"""

EMPTY = """
WITH events AS (
    DELETE FROM platform."NotificationEvent"
     WHERE "userNotificationBatchId" = ANY (%(batch_ids)s::text[])
)
DELETE FROM platform."UserNotificationBatch"
 WHERE "id" = ANY (%(batch_ids)s::text[])
"""

REMOVE = """
WITH removed AS (
    DELETE FROM platform."NotificationEvent"
     WHERE "userNotificationBatchId" = ANY (%(batch_ids)s::text[])
       AND "id" = ANY (%(notification_ids)s::text[])
    RETURNING "id"
)
DELETE FROM platform."UserNotificationBatch" AS batch
 WHERE batch."id" = ANY (%(batch_ids)s::text[])
   AND NOT EXISTS (
       SELECT
         FROM platform."NotificationEvent" AS event
        WHERE event."userNotificationBatchId" = batch."id"
          AND event."id" <> ALL (SELECT "id" FROM removed)
   )
"""


@operation(reads=False, repeat=harmful("Adds the event again."))
async def create_or_add_to_user_notification_batch(
    database: Database,
    user_id: str,
    notification_type: NotificationType,
    notification_data: NotificationEvent,
) -> bytes | None:
    """Add an event to the user's batch of a type, making the batch where there is none.

    Args:
        user_id: Whose batch.
        notification_type: The batch's and the event's type.
        notification_data: The event; only its `data` is stored.

    Returns:
        The batch with all its events.

    Raises:
        ForeignKeyViolationError: There is no such user.
    """
    return await database.json(
        ADD,
        {
            "user_id": user_id,
            "notification_type": notification_type,
            "notification_data": notification_data,
        },
    )


@operation(reads=True, heavy=True)
async def get_all_batches_by_type(database: Database, notification_type: NotificationType) -> bytes:
    """Return all users' batches of a type that hold an event, each with all its events.

    As many as the settings allow (`limits`), the smallest first: a batch that is too large for a
    reply keeps nobody from theirs. What is left out is logged (`notifications_left_out`).

    Args:
        notification_type: The batches' type.
    """
    limits = database.settings.limits
    rows = await database.rows(
        BATCHES,
        {
            "notification_type": notification_type,
            "most_rows": limits.rows,
            "most_bytes": limits.result_bytes,
        },
    )
    documents = [row[0] for row in rows if row[0] is not None]
    others = rows[len(documents) :]
    if others:
        _, _, largest, count = others[0]
        log.warning(
            "notifications_left_out",
            type=notification_type,
            batches=count,
            users=[user_id for _, user_id, *_ in others],
            largest_bytes=largest,
        )
    return b"[" + b",".join(documents) + b"]"


@operation(reads=True)
async def get_user_notification_batch(
    database: Database, user_id: str, notification_type: NotificationType
) -> bytes | None:
    """Return a user's batch of a type with all its events, or null.

    Args:
        user_id: Whose batch.
        notification_type: The batch's type.

    Raises:
        ResultTooLargeError: The batch is larger than the settings allow.
    """
    return await fetch_document(
        database,
        BATCH,
        {"user_id": user_id, "notification_type": notification_type},
        narrow="empty the batch, or raise the bound",
    )


@operation(reads=True)
async def get_user_notification_oldest_message_in_batch(
    database: Database, user_id: str, notification_type: NotificationType
) -> bytes | None:
    """Return the oldest event of a user's batch of a type, or null.

    Args:
        user_id: Whose batch.
        notification_type: The batch's type.
    """
    return await database.json(OLDEST, {"user_id": user_id, "notification_type": notification_type})


@operation(reads=False, repeat=harmless("Finds nothing, but deletes events that have come since."))
async def empty_user_notification_batch(
    database: Database, user_id: str, notification_type: NotificationType
) -> None:
    """Delete a user's batch of a type and its events.

    Args:
        user_id: Whose batch.
        notification_type: The batch's type.
    """
    await _change(database, EMPTY, user_id, notification_type)


@operation(reads=False, repeat=harmless("Finds nothing, but deletes events that have come since."))
async def clear_all_user_notification_batches(database: Database, user_id: str) -> None:
    """Delete all of a user's batches and their events.

    Args:
        user_id: Whose batches.
    """
    await _change(database, EMPTY, user_id)


@operation(reads=False, repeat=harmless("Finds those events gone."))
async def remove_notifications_from_batch(
    database: Database,
    user_id: str,
    notification_type: NotificationType,
    notification_ids: list[str],
) -> None:
    """Delete some events of a user's batch of a type, and the batch when none is left.

    Args:
        user_id: Whose batch.
        notification_type: The batch's type, whatever the events' own types are.
        notification_ids: The events; nothing happens where none is named.
    """
    if notification_ids:
        await _change(database, REMOVE, user_id, notification_type, notification_ids)


async def _change(
    database: Database,
    statement: LiteralString,
    user_id: str,
    notification_type: NotificationType | None = None,
    notification_ids: list[str] | None = None,
) -> None:
    async with database.transaction() as transaction:
        held = await transaction.rows(
            HOLD, {"user_id": user_id, "notification_type": notification_type}
        )
        if held:
            batch_ids = [batch_id for (batch_id,) in held]
            await transaction.execute(
                statement, {"batch_ids": batch_ids, "notification_ids": notification_ids}
            )
