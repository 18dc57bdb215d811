"""What pg_cron does already, so that no job of ours does it, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString

if TYPE_CHECKING:
    from autogpt_db.worker.handle import JobDatabase

# NULL where pg_cron is not installed; false where its table may not be read.
_CRON: LiteralString = """
SELECT has_table_privilege(to_regclass('cron.job'), 'SELECT')
"""

_SCHEDULED: LiteralString = """
SELECT EXISTS (
       SELECT
         FROM cron.job
        WHERE active
          AND database = current_database()
          AND strpos(command, %(function)s) > 0
)
"""


async def calls(database: JobDatabase, function: str) -> bool:
    """Tell whether pg_cron calls a function in this database, or may do so.

    Args:
        database: The job's handle.
        function: The function's name.
    """
    row = await database.row(_CRON)
    readable = row[0] if row else None
    if not readable:
        # Who may not read its table cannot know, and leaves the work to it.
        return readable is False
    row = await database.row(_SCHEDULED, {"function": function})
    return row is not None and bool(row[0])
