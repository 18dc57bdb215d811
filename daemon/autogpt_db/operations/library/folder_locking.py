"""The lock under which a user's folders are changed.

What depends on where folders lie is looked at and changed under it: two opposite moves would make a
circle, and a folder put into one that is just being deleted would be lost from sight. Whoever puts
agents into a folder holds its row meanwhile instead, which a deletion waits for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.operations import Database

LOCK: LiteralString = """
SELECT pg_advisory_xact_lock(hashtextextended('library folders of ' || %(user_id)s, 0))
"""
"""Waits for whoever changes the user's folders, until the transaction ends."""


async def locked(
    database: Database, statement: LiteralString, parameters: dict[str, Any]
) -> tuple[Any, ...] | None:
    """Return a statement's row, sent under the lock of the user's folders.

    Args:
        database: A handle for this call.
        statement: It returns one row, or none.
        parameters: Its own, `user_id` among them.
    """
    async with database.transaction() as transaction:
        await transaction.execute(LOCK, parameters)
        return await transaction.row(statement, parameters)
