"""One run of a job: its token, how far it is, and the statement that ends it.

Nothing here knows the queue's library, which only those import that run jobs.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, LiteralString

from autogpt_db.errors import AutogptDbError

if TYPE_CHECKING:
    import datetime as dt

LONGEST_REASON = 500
"""Characters of a failure's text that are kept."""
LONG = 5.0
"""Seconds after which a run is long enough to be told of."""

# The same statement, whether it is sent by itself or within the transaction of the job's writes.
# A job that goes back to the queue while its twin waits there gives way: the twin does its work.
END: LiteralString = """
WITH run AS (
    UPDATE autogpt_db.job_run
       SET ended_at = clock_timestamp(),
           outcome = %(outcome)s,
           reason = %(reason)s,
           result = %(result)s::jsonb
     WHERE token = %(token)s
       AND ended_at IS NULL
    RETURNING job_id
), ended AS (
    UPDATE autogpt_db.procrastinate_jobs AS job
       SET status = CASE
               WHEN %(status)s = 'todo' AND EXISTS (
                   SELECT
                     FROM autogpt_db.procrastinate_jobs AS twin
                    WHERE twin.queueing_lock = job.queueing_lock
                      AND twin.status = 'todo'
               )
               THEN 'cancelled'
               ELSE %(status)s
           END::autogpt_db.procrastinate_job_status,
           attempts = job.attempts + %(spent)s,
           scheduled_at = COALESCE(%(again_at)s::timestamptz, job.scheduled_at),
           abort_requested = false,
           worker_id = NULL
      FROM run
     WHERE job.id = run.job_id
       AND job.status = 'doing'
    RETURNING job.id, job.queue_name, job.status
), told AS (
    SELECT pg_notify(
               'procrastinate_queue_v1#' || queue_name,
               json_build_object('type', 'job_inserted', 'job_id', id)::text
           )
      FROM ended
     WHERE status = 'todo'
       AND %(again_at)s::timestamptz IS NULL
)
SELECT (SELECT count(*) FROM run) AS ended,
       (SELECT count(*) FROM told) AS told
"""


class RunTakenAwayError(AutogptDbError):
    """The run lost its right to write: it fell silent, and its job was given to another worker."""


@dataclass(slots=True)
class JobRun:
    """One start of a job, in this process.

    Attributes:
        token: Its fencing token.
        job: The job's name.
        job_id: The queued job.
        attempt: Which attempt it is, from 1.
        handed_back: Whether it was ended by a stop and spends no attempt.
        ended: Whether its end has been committed together with its writes.
        reason: Why it failed.
        result: What it counted.
        done: How much of its work is done, in the job's own unit.
        total: How much there is.
        began: `time.monotonic()` at its start.
        transaction: The server process and beginning of its open transaction, while it has one.
        gave_way: Whether it was cancelled because somebody waited for its locks.
    """

    token: int
    job: str
    job_id: int
    attempt: int
    handed_back: bool = False
    ended: bool = False
    reason: str | None = None
    result: dict[str, Any] = field(default_factory=dict)
    done: int | None = None
    total: int | None = None
    began: float = field(default_factory=time.monotonic)
    transaction: tuple[int, dt.datetime] | None = None
    gave_way: bool = False

    def words(self) -> str:
        """Return how far it is, in words; nothing for a run that is young or counts nothing."""
        if self.done is None or time.monotonic() - self.began < LONG:
            return ""
        if not self.total:
            return f"{self.job} at {self.done}"
        return f"{self.job} at {100 * self.done // self.total} %"

    def ending(
        self, outcome: str, *, status: str, spent: int, again_at: dt.datetime | None = None
    ) -> dict[str, Any]:
        """Return the parameters of `END`.

        Args:
            outcome: What the history will say.
            status: The queued job's new status.
            spent: Attempts that this run counts for.
            again_at: Earliest start of the next attempt.
        """
        return {
            "token": self.token,
            "outcome": outcome,
            "reason": _storable(self.reason[:LONGEST_REASON]) if self.reason else None,
            "result": json.dumps(self.result, default=str) if self.result else None,
            "status": status,
            "spent": spent,
            "again_at": again_at,
        }


def _storable(text: str) -> str:
    """Return a text as PostgreSQL can keep it: without NUL, and without halves of surrogates."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
