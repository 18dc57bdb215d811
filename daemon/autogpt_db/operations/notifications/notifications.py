"""Notifications that wait in batches, one batch for each user and type, read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db import models
from autogpt_db.database.capabilities import ForSchema
from autogpt_db.logs.events import methods as log
from autogpt_db.operations import Database, NotificationType, Reply, operation
from autogpt_db.signatures.bounds import fetch_document

if TYPE_CHECKING:
    from typing import LiteralString

BATCHED = {"NotificationType": "AGENT_RUN"}
"""What there are batches of; AutoGPT notifies without them from v0.7.3 on, under other labels."""
MOST_TOLD: LiteralString = "20"
"""Users who are named in the log when their batches are left out."""

EVENT: LiteralString = """
       json_build_object(
           'id', event."id",
           'type', event."type",
           'data', event."data",
           'created_at', autogpt_db.iso_v1(event."createdAt"),
           'updated_at', autogpt_db.iso_v1(event."updatedAt")
       )"""
DOCUMENT: LiteralString = f"""
       json_build_object(
           'user_id', batch."userId",
           'type', batch."type",
           'notifications', COALESCE(json_agg({EVENT}
               ORDER BY event."createdAt"
           ) FILTER (WHERE event."id" IS NOT NULL), '[]'),
           'created_at', autogpt_db.iso_v1(batch."createdAt"),
           'updated_at', autogpt_db.iso_v1(batch."updatedAt")
       )"""

# Since v0.6.58 a batch comes without its events, but where one batch is asked for.
BARE_DOCUMENT: LiteralString = """
       json_build_object(
           'user_id', batch."userId",
           'type', batch."type",
           'notifications', '[]'::json,
           'created_at', autogpt_db.iso_v1(batch."createdAt"),
           'updated_at', autogpt_db.iso_v1(batch."updatedAt")
       )"""

BATCH = f"""
SELECT {DOCUMENT}
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
_BATCHES_WITH_EVENTS: LiteralString = f"""
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
               SELECT {DOCUMENT} AS document
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

# All that is asked for is whose batches there are.
_BARE_BATCHES: LiteralString = f"""
SELECT {BARE_DOCUMENT}, NULL, NULL, NULL
  FROM platform."UserNotificationBatch" AS batch
 WHERE batch."type" = %(notification_type)s::text::platform."NotificationType"
   AND EXISTS (
       SELECT
         FROM platform."NotificationEvent" AS event
        WHERE event."userNotificationBatchId" = batch."id"
   )
 ORDER BY batch."createdAt"
 LIMIT %(most_rows)s
"""
BATCHES = ForSchema(
    lambda capabilities: _BARE_BATCHES if capabilities.push else _BATCHES_WITH_EVENTS
)

OLDEST = f"""
SELECT {EVENT}
  FROM platform."UserNotificationBatch" AS batch
  JOIN platform."NotificationEvent" AS event ON event."userNotificationBatchId" = batch."id"
 WHERE batch."userId" = %(user_id)s
   AND batch."type" = %(notification_type)s::text::platform."NotificationType"
 ORDER BY event."createdAt"
 LIMIT 1
"""


@operation(reads=True, heavy=True, labels=BATCHED)
async def get_all_batches_by_type(
    database: Database, notification_type: NotificationType
) -> Reply[list[models.UserNotificationBatchDTO]]:
    """Return all users' batches of a type that hold an event.

    Up to AutoGPT v0.6.57's schema each comes with all its events, later with none. Of the former
    there are as many as the settings allow (`limits`), the smallest first: a batch too large for a
    reply keeps nobody from theirs. What is left out is logged (`notifications_left_out`).

    Args:
        notification_type: The batches' type.
    """
    limits = database.settings.limits
    rows = await database.rows(
        BATCHES(database.capabilities),
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
        log.notifications_left_out(
            type=notification_type,
            batches=count,
            users=[user_id for _, user_id, *_ in others],
            largest_bytes=largest,
        )
    return b"[" + b",".join(documents) + b"]"


@operation(reads=True, labels=BATCHED)
async def get_user_notification_batch(
    database: Database, user_id: str, notification_type: NotificationType
) -> Reply[models.UserNotificationBatchDTO | None]:
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


@operation(reads=True, labels=BATCHED)
async def get_user_notification_oldest_message_in_batch(
    database: Database, user_id: str, notification_type: NotificationType
) -> Reply[models.UserNotificationEventDTO | None]:
    """Return the oldest event of a user's batch of a type, or null.

    Args:
        user_id: Whose batch.
        notification_type: The batch's type.
    """
    return await database.json(OLDEST, {"user_id": user_id, "notification_type": notification_type})
