"""Notifications that wait in batches for a next event that never comes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, LiteralString

from autogpt_db.logs.events import worker as log
from autogpt_db.operations.notifications.notifications import BATCH_SIZE
from autogpt_db.worker.figures import Figure, report
from autogpt_db.worker.registry import job

if TYPE_CHECKING:
    from autogpt_db.worker.handle import JobDatabase

BATCH = 500
MOST_TOLD = 100
"""Oversized batches that are told of, the largest."""

# AutoGPT's delays: after so long a batch is due, and it is sent when its user's next event comes.
OVERDUE: LiteralString = """
SELECT batch."type"::text, count(*), sum(oldest.events),
       max(EXTRACT(epoch FROM autogpt_db.now_v1() - oldest.at))::float8
  FROM platform."UserNotificationBatch" AS batch
 CROSS JOIN LATERAL (
       SELECT min(event."createdAt") AS at, count(*) AS events
         FROM platform."NotificationEvent" AS event
        WHERE event."userNotificationBatchId" = batch."id"
  ) AS oldest
 WHERE oldest.at < autogpt_db.now_v1() - CASE
           WHEN batch."type" = 'AGENT_RUN' THEN interval '1 day'
           ELSE interval '1 hour'
       END
 GROUP BY batch."type"
 ORDER BY batch."type"::text
"""

# Too large for any reply, so that nobody can read it.
OVERSIZED: LiteralString = f"""
SELECT batch."type"::text, batch."userId", size.events, size.bytes
  FROM platform."UserNotificationBatch" AS batch{BATCH_SIZE}
 WHERE size.bytes > %(most_bytes)s
 ORDER BY size.bytes DESC
 LIMIT %(most)s
"""

# A batch that somebody adds to or empties just now is left for the next time.
PURGE: LiteralString = """
WITH old AS MATERIALIZED (
    SELECT batch."id"
      FROM platform."UserNotificationBatch" AS batch
     WHERE batch."createdAt" < autogpt_db.now_v1() - make_interval(days => %(days)s)
       AND NOT EXISTS (
           SELECT
             FROM platform."NotificationEvent" AS event
            WHERE event."userNotificationBatchId" = batch."id"
              AND event."createdAt" >= autogpt_db.now_v1() - make_interval(days => %(days)s)
       )
     ORDER BY batch."createdAt"
     LIMIT %(batch)s
       FOR UPDATE SKIP LOCKED
), events AS (
    DELETE FROM platform."NotificationEvent"
     WHERE "userNotificationBatchId" IN (SELECT "id" FROM old)
)
DELETE FROM platform."UserNotificationBatch"
 WHERE "id" IN (SELECT "id" FROM old)
"""


@job(
    schedule="23 * * * *",
    when="overdue notification batches are counted",
    option="notifications_schedule",
)
async def age_notification_batches(database: JobDatabase) -> dict[str, Any]:
    """Report notification batches that are overdue; purge old ones where that is asked for.

    AutoGPT looks at a batch when its user's next event of that type comes, so one whose user goes
    quiet stays for ever. Purged is what is older than `worker.notifications_purge_days` with all
    its events; unset, nothing is. Batches that are larger than a reply may be are named, because
    nobody can read them (`limits.result_bytes`): `notification_batch_oversized`.
    """
    purged = 0
    days = database.settings.worker.notifications_purge_days
    if days is not None:
        while deleted := await database.execute(PURGE, {"days": days, "batch": BATCH}):
            purged += deleted
            await database.progress(purged)
    found = await database.rows(OVERDUE)
    for kind, batches, events, seconds in found:
        log.notifications_overdue(
            type=kind,
            batches=batches,
            events=int(events),
            oldest_seconds=round(seconds),
        )
    oversized = await database.rows(
        OVERSIZED, {"most_bytes": database.settings.limits.result_bytes, "most": MOST_TOLD}
    )
    for kind, user_id, events, size in oversized:
        log.notification_batch_oversized(type=kind, user_id=user_id, events=events, bytes=size)
    figures = [
        Figure("notification_batches_oversized", count, {"type": kind})
        for kind, count in Counter(kind for kind, *_ in oversized).items()
    ]
    for kind, batches, _, seconds in found:
        labels = {"type": kind}
        figures.append(Figure("notification_batches_overdue", batches, labels))
        figures.append(Figure("notification_batches_oldest_seconds", seconds, labels))
    await report(database, figures)
    overdue = sum(row[1] for row in found)
    return {"overdue": overdue, "purged": purged, "oversized": len(oversized)}
