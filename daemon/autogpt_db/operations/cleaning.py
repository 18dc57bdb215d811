"""Deleting what nobody needs any more, in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.operations import Database

BATCH = 5000
"""Rows in one transaction: so no backlog is too long for one statement."""


async def delete_in_batches(database: Database, delete: LiteralString, **parameters: Any) -> int:
    """Delete rows until a batch isn't full, each batch in a transaction of its own.

    What was deleted stays deleted when a later batch fails.

    Args:
        database: A handle for this call.
        delete: The statement, which deletes at most `%(batch)s` rows.
        parameters: Its other parameters.

    Returns:
        How many rows were deleted.
    """
    deleted = 0
    while True:
        batch = await database.execute(delete, {**parameters, "batch": BATCH})
        deleted += batch
        if batch < BATCH:
            return deleted
