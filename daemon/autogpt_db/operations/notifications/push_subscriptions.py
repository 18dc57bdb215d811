"""Browsers that take pushed messages, and what becomes of those that no longer do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db import models
from autogpt_db.operations import Database, Reply, operation
from autogpt_db.operations.cleaning import delete_in_batches
from autogpt_db.operations.short_lists import fetch_short_list, short_list
from autogpt_db.signatures.repeats import harmful, harmless

if TYPE_CHECKING:
    from typing import LiteralString

OF_USER = short_list(
    """
SELECT json_build_object(
           'user_id', subscription."userId",
           'endpoint', subscription."endpoint",
           'p256dh', subscription."p256dh",
           'auth', subscription."auth"
       ) AS document
  FROM platform."PushSubscription" AS subscription
 WHERE subscription."userId" = %(user_id)s
 ORDER BY subscription."createdAt", subscription.ctid
""",
    "user_id",
)

DELETE: LiteralString = """
DELETE FROM platform."PushSubscription"
 WHERE "userId" = %(user_id)s AND "endpoint" = %(endpoint)s
"""

COUNT_FAILURE: LiteralString = """
UPDATE platform."PushSubscription"
   SET "failCount" = "failCount" + 1,
       "lastFailedAt" = autogpt_db.now_v1(),
       "updatedAt" = autogpt_db.now_v1()
 WHERE "userId" = %(user_id)s AND "endpoint" = %(endpoint)s
"""

# No index knows failures: a user has 20 at most, and this runs once a day. A row that somebody else
# holds is left to its holder or to the next run.
DELETE_FAILED: LiteralString = """
DELETE FROM platform."PushSubscription"
 WHERE "id" = ANY (ARRAY(
       SELECT "id"
         FROM platform."PushSubscription"
        WHERE "failCount" >= %(max_failures)s
        LIMIT %(batch)s
          FOR UPDATE SKIP LOCKED
 ))
"""


@operation(reads=True)
async def get_user_push_subscriptions(
    database: Database, user_id: str
) -> Reply[list[models.PushSubscriptionDTO]]:
    """Return where a user's browsers take pushed messages, and how these are encrypted for them.

    Args:
        user_id: The user; an unknown one has none.

    Raises:
        ResultTooLargeError: The list is longer or larger than the settings allow.
    """
    return await fetch_short_list(
        database, OF_USER, {"user_id": user_id}, narrow="delete some, or raise the bound"
    )


@operation(reads=False, repeat=harmless("Finds nothing to delete."))
async def delete_push_subscription(database: Database, user_id: str, endpoint: str) -> None:
    """Forget a browser of a user's; one that isn't known is passed over.

    Args:
        user_id: The user.
        endpoint: Where the browser takes messages.
    """
    await database.execute(DELETE, {"user_id": user_id, "endpoint": endpoint})


@operation(reads=False, repeat=harmful("Counts the failure again."))
async def increment_push_fail_count(database: Database, user_id: str, endpoint: str) -> None:
    """Count a message that a browser didn't take; one that isn't known is passed over.

    Args:
        user_id: Whose browser.
        endpoint: Where it takes messages.
    """
    await database.execute(COUNT_FAILURE, {"user_id": user_id, "endpoint": endpoint})


@operation(reads=False, repeat=harmless("Finds none that failed so often, and returns 0."))
async def cleanup_failed_push_subscriptions(database: Database, max_failures: int = 5) -> int:
    """Forget browsers that failed to take so many messages.

    Rows go in batches, each a transaction of its own; what was deleted stays deleted when a later
    batch fails.

    Args:
        max_failures: From how many on; 0 forgets all.

    Returns:
        How many were forgotten.
    """
    return await delete_in_batches(database, DELETE_FAILED, max_failures=max_failures)
