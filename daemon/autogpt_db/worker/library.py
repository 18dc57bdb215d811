"""What procrastinate and asyncio say by the standard library's logging, told once and by us."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from procrastinate.exceptions import ConnectorException

from autogpt_db.logs.events import worker as log

if TYPE_CHECKING:
    import asyncio

# `job_succeeded`, `job_failed` and `job_handed_back` are ours.
_TOLD_BY_US = frozenset({"job_error", "job_error_retry", "job_aborted", "job_aborted_retry"})
# An outage: `queue_lost` is ours.
_OUTAGE = (ConnectorException, TimeoutError)


class LibraryRecords(logging.Handler):
    """procrastinate's records, without those that repeat an event of ours with a traceback."""

    def emit(self, record: logging.LogRecord) -> None:
        """Pass `record` on as an event, unless ours tells the same."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, _OUTAGE) or getattr(record, "action", "") in _TOLD_BY_US:
            return
        log.queue_error.at(record.levelno, problem=record.getMessage(), exc_info=error)


def take_over_records() -> None:
    """Route procrastinate's warnings and errors through `LibraryRecords`."""
    logger = logging.getLogger("procrastinate")
    logger.handlers[:] = [LibraryRecords(level=logging.WARNING)]
    logger.setLevel(logging.WARNING)
    logger.propagate = False


def on_loop_exception(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Keep quiet about job tasks that could not report their end because PostgreSQL went away.

    procrastinate leaves such a task's exception unread; the job itself is rescued later.
    """
    if not isinstance(context.get("exception"), _OUTAGE):
        loop.default_exception_handler(context)
