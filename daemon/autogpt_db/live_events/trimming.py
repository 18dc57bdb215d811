"""Keeping the log of live events small: what is old goes, a batch at a time.

The processes that record them do it themselves: the log is bounded wherever it grows.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NoReturn

from autogpt_db.logs.events import api as log

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.pool import Database, Pool
    from autogpt_db.settings import EventsSettings

PAUSE = 5.0
"""Seconds between two times."""

BATCH = 5000
"""Events that one statement deletes at most."""

# Oldest first, and up to where that is noted: whoever has read less far is told. How many there are
# is taken from their numbers, so that nothing is counted. Of several processes one does it.
TRIM: LiteralString = """
WITH turn AS MATERIALIZED (
    SELECT pg_try_advisory_xact_lock(hashtextextended('trim of live events', 6)) AS ours
), oldest AS MATERIALIZED (
    SELECT event.transaction_id, event.number, event.at
      FROM autogpt_db.live_event AS event
     WHERE (SELECT turn.ours FROM turn)
       AND event.transaction_id < pg_snapshot_xmin(pg_current_snapshot())
     ORDER BY event.transaction_id, event.number
     LIMIT %(batch)s
), trimmed AS (
    DELETE FROM autogpt_db.live_event AS event
     USING oldest
     WHERE event.transaction_id = oldest.transaction_id
       AND event.number = oldest.number
       AND (
           oldest.at < clock_timestamp() - make_interval(secs => %(keep)s)
           OR oldest.number <= (
               SELECT numbers.last_value - %(keep_most)s
                 FROM autogpt_db.live_event_number_seq AS numbers
           )
       )
    RETURNING event.transaction_id, event.number
), noted AS (
    INSERT INTO autogpt_db.live_event_trim AS stored (transaction_id, number)
    SELECT trimmed.transaction_id, trimmed.number
      FROM trimmed
     ORDER BY trimmed.transaction_id DESC, trimmed.number DESC
     LIMIT 1
        ON CONFLICT (single) DO UPDATE
       SET transaction_id = EXCLUDED.transaction_id,
           number = EXCLUDED.number
     WHERE (EXCLUDED.transaction_id, EXCLUDED.number) > (stored.transaction_id, stored.number)
)
SELECT FROM trimmed
"""

# Nobody has such a number yet: they come from another server, in whose backup they were.
FORGET_FOREIGN: LiteralString = """
WITH events AS (
    DELETE FROM autogpt_db.live_event
     WHERE transaction_id >= pg_snapshot_xmax(pg_current_snapshot())
    RETURNING number
), trim AS (
    DELETE FROM autogpt_db.live_event_trim
     WHERE transaction_id >= pg_snapshot_xmax(pg_current_snapshot())
)
SELECT FROM events
"""


async def trim(database: Database, settings: EventsSettings) -> int:
    """Delete the events that are no longer kept, each batch in a transaction of its own.

    Any number of processes may do it at once: one does.

    Args:
        database: A handle on the pool.
        settings: How long, and how many, are kept.

    Returns:
        How many were deleted.
    """
    deleted = await database.execute(FORGET_FOREIGN)
    given = {"keep": settings.keep, "keep_most": settings.keep_most, "batch": BATCH}
    while True:
        batch = await database.execute(TRIM, given)
        deleted += batch
        if batch < BATCH:
            return deleted


async def trim_forever(database: Pool, settings: EventsSettings) -> NoReturn:
    """Delete what is no longer kept, now and every few seconds, until cancelled.

    Args:
        database: The process's pool.
        settings: How long, and how many, are kept.
    """
    failed = False
    while True:
        try:
            await trim(database.call("trim_live_events", reads=False), settings)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next time may do better
            if not failed:
                log.live_events_not_trimmed(reason=str(error))
            failed = True
        else:
            failed = False
        await asyncio.sleep(PAUSE)
