"""procrastinate's worker, where it would wait without limit or in silence."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from procrastinate.exceptions import ConnectorException
from procrastinate.worker import Worker

from autogpt_db.worker import rescue

if TYPE_CHECKING:
    from autogpt_db.worker.queue import Queue


class WatchedWorker(Worker):
    """procrastinate's worker, which tells when it stops by itself.

    It does when a side task of its own fails (signs of life, LISTEN), and then it waits without
    limit, and without signs of life, for the jobs that run.

    Args:
        lost: Is set when it stops.
        given: What procrastinate's takes.
    """

    def __init__(self, *given: Any, lost: asyncio.Event, **named: Any) -> None:
        super().__init__(*given, **named)
        self._lost = lost

    def stop(self) -> None:
        """Stop when the running jobs are done."""
        super().stop()  # type: ignore[no-untyped-call] # procrastinate leaves it untyped
        self._lost.set()


async def show_life(queue: Queue, worker: Worker) -> None:
    """Go on with the signs of life, which procrastinate ends as soon as it shall stop.

    Without them a job that is given time to finish would be taken away meanwhile.
    """
    while worker.worker_id is not None:
        with suppress(ConnectorException, OSError):
            await queue.app.job_manager.update_heartbeat(worker.worker_id)
        await asyncio.sleep(rescue.HEARTBEAT)
