"""Notifications that wait in batches: added, and taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db import models
from autogpt_db.database.capabilities import ForSchema
from autogpt_db.operations import (
    Database,
    NotificationEvent,
    NotificationType,
    Reply,
    operation,
)
from autogpt_db.operations.notifications.notifications import BARE_DOCUMENT, BATCHED, DOCUMENT
from autogpt_db.operations.users.default_team import TENANCY, default_tenancy
from autogpt_db.signatures.repeats import harmful, harmless

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities


# The update changes nothing: it holds the batch, so that nobody who empties it just now can miss
# the event.
def _adding(capabilities: Capabilities) -> LiteralString:
    columns: LiteralString = ""
    values: LiteralString = ""
    if capabilities.orgs:
        columns = ', "organizationId", "teamId"'
        values = ", %(organization_id)s, %(team_id)s"
    reply: LiteralString = f"""
SELECT {BARE_DOCUMENT}
  FROM batch
"""
    if not capabilities.push:
        reply = f"""
SELECT {DOCUMENT}
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
    return f"""
WITH batch AS (
    INSERT INTO platform."UserNotificationBatch"
           ("id", "userId", "type", "createdAt", "updatedAt"{columns})
    VALUES (gen_random_uuid()::text, %(user_id)s,
            %(notification_type)s::text::platform."NotificationType",
            autogpt_db.now_v1(), autogpt_db.now_v1(){values})
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
){reply}"""


ADD = ForSchema(_adding)

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


@operation(
    reads=False,
    repeat=harmful("Adds the event again."),
    honoured={"organization_id": "orgs", "team_id": "orgs"},
    labels=BATCHED,
)
async def create_or_add_to_user_notification_batch(
    database: Database,
    user_id: str,
    notification_type: NotificationType,
    notification_data: NotificationEvent,
    organization_id: str | None = None,
    team_id: str | None = None,
) -> Reply[models.UserNotificationBatchDTO]:
    """Add an event to the user's batch of a type, making the batch where there is none.

    Args:
        user_id: Whose batch.
        notification_type: The batch's and the event's type.
        notification_data: The event; only its `data` is stored.
        organization_id: The organization that a new batch belongs to. From AutoGPT v0.7.1's schema
            on it is the user's own where neither this nor a team is named.
        team_id: The team that a new batch belongs to.

    Returns:
        The batch, up to AutoGPT v0.6.57's schema with all its events, later with none.

    Raises:
        ForeignKeyViolationError: There is no such user.
    """
    capabilities = database.capabilities
    tenancy = TENANCY(capabilities)
    if tenancy is not None and organization_id is None and team_id is None:
        organization_id, team_id = await default_tenancy(database, tenancy, user_id)
    return await database.json(
        ADD(capabilities),
        {
            "user_id": user_id,
            "notification_type": notification_type,
            "notification_data": notification_data,
            "organization_id": organization_id or None,
            "team_id": team_id or None,
        },
    )


@operation(
    reads=False,
    repeat=harmless("Finds nothing, but deletes events that have come since."),
    labels=BATCHED,
)
async def empty_user_notification_batch(
    database: Database, user_id: str, notification_type: NotificationType
) -> None:
    """Delete a user's batch of a type and its events.

    Args:
        user_id: Whose batch.
        notification_type: The batch's type.
    """
    await _change(database, EMPTY, user_id, notification_type)


@operation(
    reads=False,
    repeat=harmless("Finds nothing, but deletes events that have come since."),
    labels=BATCHED,
)
async def clear_all_user_notification_batches(database: Database, user_id: str) -> None:
    """Delete all of a user's batches and their events.

    Args:
        user_id: Whose batches.
    """
    await _change(database, EMPTY, user_id)


@operation(reads=False, repeat=harmless("Finds those events gone."), labels=BATCHED)
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
