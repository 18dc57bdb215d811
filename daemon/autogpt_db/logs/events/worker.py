"""Worker.

Told by the worker processes, of the queue and of the jobs they run.
"""

from __future__ import annotations

from logging import DEBUG, ERROR, INFO, WARNING
from typing import TYPE_CHECKING

from autogpt_db.logs.declaration import event

if TYPE_CHECKING:
    from collections.abc import Sequence


@event(INFO)
def worker_ready(*, jobs: Sequence[str], notified: bool) -> None:
    """The queue is open; `notified`: by LISTEN, else by polling."""


@event(WARNING)
def queue_lost(*, reason: str) -> None:
    """The queue's database is away; told once for each reason, tried again for ever.

    Mend what `reason` says; nothing has to be restarted.
    """


@event(WARNING, DEBUG)
def job_rests(*, job: str, id: int, missing: Sequence[str], remedy: str) -> None:
    """The database lacks what a job needs, so it did nothing; debug where the same was missing at
    its last run in this process.
    """


@event(WARNING)
def job_gave_way(*, job: str, id: int, relation: str, mode: str, waiting_pid: int) -> None:
    """Somebody waited for a lock that a job held, as a migration does: the job was cancelled.

    Nothing has to be done: its next run does the work.
    """


@event(INFO, DEBUG, counter="job_runs_total")
def job_succeeded(*, job: str, id: int, attempt: int, seconds: float, **counted: object) -> None:
    """A run ended well; the other fields are what the job counts. Debug: a job's first since the
    process began, at a terminal.
    """


@event(ERROR, counter="job_runs_total")
def job_failed(
    *,
    job: str,
    id: int,
    attempt: int,
    seconds: float,
    again: bool,
    reason: str,
    exc_info: BaseException | None = None,
) -> None:
    """A run failed; `again`: it will be tried again.

    Mend what `reason` says. After the last attempt `autogpt-db jobs requeue` tries again; a
    traceback is a bug: report it.
    """


@event(INFO, counter="job_runs_total")
def job_handed_back(*, job: str, id: int, attempt: int, seconds: float) -> None:
    """A run was ended by a stop; another worker starts it again, and no attempt is spent."""


@event(INFO)
def job_progress(
    *, job: str, id: int, done: int, total: int | None, rate: float, remaining: int | None
) -> None:
    """How far a long run is, every 30 s; `rate`: per second, `remaining`: seconds."""


@event(WARNING)
def job_taken_away(*, job: str, id: int, attempt: int) -> None:
    """A run ended whose job had been given to another worker, because this one had shown no sign of
    life; nothing it wrote since then holds.

    The machine stood still, or had no processor time to give, for 15 seconds: look there.
    """


@event(WARNING)
def job_cut_off(*, job: str, id: int, pid: int) -> None:
    """A server process that still worked for a worker that died was ended.

    Nothing has to be done: the job starts again.
    """


@event(WARNING)
def job_rescued(*, job: str, id: int, status: str, attempts: int) -> None:
    """The job of a worker that died was given back.

    Main's `process_exited` says how that worker ended, where it was on this host.
    """


@event(WARNING)
def execution_stuck(
    *,
    kind: str,
    graph_exec_id: str,
    node_exec_id: str | None,
    graph_id: str,
    user_id: str,
    status: str,
    silent_seconds: int,
) -> None:
    """An execution that nothing moves any more; told once (`watch_executions`).

    See whether AutoGPT's executor runs; `watch.*` = `act` ends such executions. How to look into
    one: `autogpt-db help find-stuck-executions`.
    """


@event(WARNING)
def execution_would_be_ended(
    *,
    kind: str,
    graph_exec_id: str,
    node_exec_id: str | None,
    graph_id: str,
    user_id: str,
    status: str,
    silent_seconds: int,
) -> None:
    """An execution that nothing moves any more, where `watch.*` is `dry_run`.

    Where these are the right ones, set it to `act`.
    """


@event(WARNING)
def execution_ended(
    *,
    kind: str,
    graph_exec_id: str,
    node_exec_id: str | None,
    graph_id: str,
    user_id: str,
    status: str,
    silent_seconds: int,
) -> None:
    """An execution that nothing moved was set to FAILED, or closed, because `watch.*` is `act`.

    See whether AutoGPT's executor runs, where there are many.
    """


@event(WARNING)
def notification_batch_oversized(*, type: str, user_id: str, events: int, bytes: int) -> None:
    """A batch is larger than a reply may be, so that nobody can read it.

    Empty it (`empty_user_notification_batch`), or raise `limits.result_bytes`.
    """


@event(INFO)
def notifications_overdue(*, type: str, batches: int, events: int, oldest_seconds: int) -> None:
    """Batches that wait for an event that doesn't come."""


@event(WARNING)
def block_failing(*, block_id: str, block: str, executions: int, failed: int) -> None:
    """A block's share of failures in a day is `worker.measure_error_rate` or more.

    Look at its executions' errors: often it is the service behind it that fails.
    """


@event(WARNING)
def accuracy_dropped(
    *, graph_id: str, drop_percent: float, three_day_average: float, seven_day_average: float
) -> None:
    """An agent's accuracy fell by `worker.measure_accuracy_drop` percent or more.

    Tell its author.
    """


@event(ERROR)
def balance_differs(
    *,
    user_id: str | None = None,
    organization_id: str | None = None,
    balance: int | None,
    ledger: int,
    newest: int | None,
    difference: int,
) -> None:
    """A user's or an organization's balance is not what its ledger says; in cents.

    Compare the entries with what was paid and used, then correct the balance. Nothing is changed by
    itself.
    """


@event(WARNING, ERROR)
def queue_error(*, problem: str, exc_info: BaseException | None = None) -> None:
    """What the queue's library says that no event of ours tells.

    The queue goes on by itself; where it comes again and again, report it.
    """


@event(INFO)
def worker_stopped() -> None:
    """The worker ends."""
