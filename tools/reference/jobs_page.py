"""The page on the background jobs."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from tools.reference import NOTICE

from autogpt_db.worker.registry import discover

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autogpt_db.worker.registry import Job

_INTRODUCTION = """\
Worker processes of any number of hosts share one queue in the database. Through all of them at
most one run of a job waits and one runs.

- **Who dies loses nothing.** A worker shows a sign of life every 5 s. After 15 s of silence it
  counts as dead, which is looked for every 5 s; its jobs then start again on another worker. A
  worker that was only frozen writes nothing any more when it wakes: whatever a run writes
  commits together with a check of its token.
- **Failures** are tried again after up to 2, 4, 8 … seconds (half of it at random), at most ten
  minutes; `jobs run` does it at once. After its last attempt a job is *failed*:
  `autogpt-db jobs failed` lists it, `jobs requeue` gives it all its attempts again. A worker that
  dies has spent an attempt, so a job that brings its worker down ends there, too.
- **A stop** gives running jobs `worker.stop_timeout` seconds. Then they go back to the queue,
  and no attempt is spent.
- **A run missed** while no worker was up is made up for once, up to a day later.

`autogpt-db jobs list` shows all of them and how far they are, `run JOB --wait` starts one,
`history` tells how they ended (for 14 days), `pause` and `resume` hold one back on all hosts.
Each has `--json`. What the jobs measure is shown by `GET /metrics`.

What a limit on time means: a run that goes beyond it counts as failed, and is tried again. A
job's statement waits 5 s for somebody else's lock at most, and its open transaction is ended
when it is idle for 10 s.

Without a worker (`worker.processes = 0` on every host) nothing of this happens, but that replies to
idempotency keys are deleted, which the API processes do then."""


def jobs_page() -> Iterator[str]:
    """Yield the page's lines."""
    yield "# Background jobs"
    yield ""
    yield NOTICE
    yield ""
    yield from _INTRODUCTION.splitlines()
    for job in discover().values():
        yield ""
        yield f"## {job.name}"
        yield ""
        yield (f"{_schedule(job)} · time limit {job.time_limit:g} s · {job.attempts} attempts")
        yield ""
        yield from (inspect.getdoc(job.function) or "").splitlines()


def _schedule(job: Job) -> str:
    return "On demand only" if job.schedule is None else f"`{job.option}`: `{job.schedule.cron}`"
