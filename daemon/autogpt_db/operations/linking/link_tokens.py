"""Tokens by which accounts of chat platforms are linked: those that have expired are deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.operations import Database, operation
from autogpt_db.operations.cleaning import delete_in_batches
from autogpt_db.signatures.repeats import harmless

if TYPE_CHECKING:
    from typing import LiteralString

# `expiresAt` is UTC without saying so, and indexed. A row that somebody else holds is left to its
# holder or to the next run.
DELETE_EXPIRED: LiteralString = """
DELETE FROM platform."PlatformLinkToken"
 WHERE "id" = ANY (ARRAY(
       SELECT "id"
         FROM platform."PlatformLinkToken"
        WHERE "expiresAt" < now() AT TIME ZONE 'UTC' - interval '24 hours'
        ORDER BY "expiresAt"
        LIMIT %(batch)s
          FOR UPDATE SKIP LOCKED
 ))
"""


@operation(reads=False, repeat=harmless("Finds nothing expired, and returns 0."))
async def cleanup_expired_platform_link_tokens(database: Database) -> int:
    """Delete link tokens that expired more than 24 hours ago.

    Rows go in batches, each a transaction of its own, so that no backlog is too long for one
    statement; what was deleted stays deleted when a later batch fails.

    Returns:
        How many were deleted.
    """
    return await delete_in_batches(database, DELETE_EXPIRED)
