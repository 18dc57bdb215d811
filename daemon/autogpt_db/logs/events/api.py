"""API.

Told by the API processes, of requests and of those who send them.
"""

from __future__ import annotations

from logging import DEBUG, ERROR, INFO, WARNING
from typing import TYPE_CHECKING, Literal

from autogpt_db.logs.declaration import Entry, event

if TYPE_CHECKING:
    from collections.abc import Mapping


@event(WARNING)
def metrics_not_shared(*, directory: str) -> None:
    """There is no room for this process's figures in `metrics/` below the runtime directory:
    `/metrics` lacks them where another process answers.

    Make room there, then restart.
    """


@event(INFO)
def listening(*, address: str, methods: int, connections: int) -> None:
    """Connections are accepted; `connections`: open ones to the database."""


@event(INFO, WARNING, DEBUG, counter="requests_total")
def request(
    *,
    method: str,
    status: int,
    seconds: float,
    pool_wait: float,
    rows: int,
    request_id: str,
    replayed: Literal[True] | None = None,
    failure: str | None = None,
    sqlstate: str | None = None,
    trace_id: str | None = None,
    span_id: str | None = None,
) -> None:
    """A request's one line. Warning: slower than `logging.slow_request`, or a 5xx; debug: a health
    check that was answered well. `pool_wait`: seconds it waited for database connections.
    `replayed`, only where it is true: the reply is another call's with the same `Idempotency-Key`.
    Status 499: the client left before its reply. `failure`: the kind of a reply that is no result;
    `sqlstate`: PostgreSQL's code, where it came from there. `trace_id`, `span_id`: the request's
    span, where it is traced.

    One that was slow: `pool_wait` tells whether it waited for a connection (more of them:
    `database.pool_size`) or for PostgreSQL. A 503 passes, and clients repeat it; what caused it has
    a record of its own.
    """


@event(INFO)
def requests(
    *, method: str, calls: int, mean: float, slowest: float, pool_wait: float, rows: int
) -> None:
    """What became of a method's calls that got no line of their own in this second, because there
    were more than `logging.request_lines`: how many, their mean and longest time and the sums of
    the rest. What failed or was slow is not among them: it has its own line.
    """


@event(INFO, counter="keyed_calls_resolved_total")
def outcome_found(*, method: str, runs: int) -> None:
    """A write with an `Idempotency-Key` has lost its connection, and its outcome was found out by
    the key. `runs`: how often its work was begun.
    """


@event(INFO)
def idempotency_keys_cleaned(*, deleted: int) -> None:
    """An API process has deleted expired replies to idempotency keys, for want of a worker that
    does.
    """


@event(WARNING)
def idempotency_keys_not_cleaned(*, reason: str) -> None:
    """Expired replies to idempotency keys could not be deleted.

    It is tried again in 10 minutes. Where that goes on for a day, `reason` says what to mend.
    """


@event(WARNING)
def live_events_not_trimmed(*, reason: str) -> None:
    """Live events that are no longer kept could not be deleted (`events.keep`, `events.keep_most`).

    It is tried again every five seconds, and told of again once it has worked in between. Where it
    doesn't, the table autogpt_db.live_event grows: `reason` says what to mend.
    """


@event(INFO, WARNING)
def late_end(
    *,
    method: str,
    seconds: float,
    outcome: str,
    request_id: str,
    trace_id: str | None = None,
    span_id: str | None = None,
) -> None:
    """A write that nobody waited for any more has ended. Warning: it has failed.

    Nothing has to be done: what has failed was not written, and its client repeats it.
    """


@event(
    ERROR,
    entry=Entry("6d0e7c1f3f0b4f0d9a3a5b0d1c5c7a05", "A request failed by a bug"),
)
def internal_error(*, method: str, exc_info: BaseException, request_id: str | None = None) -> None:
    """A bug; the client got 500 and the same request id.

    The client got status 500 and the request id @REQUEST_ID@; the method was @METHOD@. The
    traceback is in the record. Every step of that request:
    `journalctl -u autogpt-db REQUEST_ID=@REQUEST_ID@`.
    """


@event(WARNING, counter="calls_with_unknown_arguments_total")
def argument_unknown(*, method: str, argument: str, outcome: str) -> None:
    """Somebody sends an argument that isn't known here or that the database has nothing for, once
    for each; `outcome`: its calls are `passed on` or `refused`.

    It is a newer AutoGPT's: upgrade autogpt-db, or set `api.fallback_url`, which takes such calls.
    """


@event(WARNING)
def method_unknown(*, method: str, reason: str) -> None:
    """Somebody calls a method that nobody serves: 404. Told once for each name, for 500 names at
    most.

    It is a newer AutoGPT's: upgrade autogpt-db, or set `api.fallback_url`, which takes such calls.
    """


@event(INFO, counter="calls_passed_on_total")
def method_passed_on(*, method: str) -> None:
    """The first call of a method that was passed on to `api.fallback_url`."""


@event(INFO, counter="calls_passed_on_total")
def calls_passed_on(*, methods: Mapping[str, int]) -> None:
    """At the end of a process: how many calls of each method were passed on."""


@event(WARNING)
def fallback_failed(*, method: str, reason: str) -> None:
    """AutoGPT's own DatabaseManager gave no answer: 503, or a reply that ends too early.

    See whether it runs, and whether `api.fallback_url` is where.
    """


@event(WARNING)
def helper_not_started(*, reason: str) -> None:
    """The machine had no descriptor, process or memory for a process that reads large bodies: the
    caller got 503.

    `reason` says what was lacking: raise LimitNOFILE=, TasksMax= or MemoryMax= of the unit.
    """


@event(WARNING)
def helper_lost(*, function: str, exit_code: int) -> None:
    """A process that reads large bodies ended while it did: the caller got 413 when it had taken
    too much processor time (-27), else 503.

    Now and then this needs nobody. -9 that nobody sent is the kernel's, out of memory: compare
    MemoryMax=.
    """


@event(WARNING, counter="http_accept_pauses_total")
def accepting_paused(*, connections: int, reason: str) -> None:
    """An API process has no file descriptors left for more connections and stopped accepting:
    clients wait, or another process takes them. Told once a minute.

    Raise LimitNOFILE= of the unit, or `api.processes`.
    """


@event(WARNING, counter="http_slow_readers_cut_total")
def slow_reader_cut(*, unread: int, size: int, seconds: float) -> None:
    """Replies that clients did not read reached `api.memory_limit` bytes: the connection that read
    slowest, less than 1 MiB a second, ended, with `unread` bytes of `size` left after `seconds`.

    Find the client that asks for more than it reads; or raise `api.memory_limit`.
    """


@event(INFO)
def accepting_resumed(*, connections: int) -> None:
    """There is room again for connections."""


@event(INFO)
def draining(*, connections: int, requests: int) -> None:
    """Asked to stop: accepts no more, finishes what runs."""


@event(WARNING)
def requests_given_up(*, requests: int) -> None:
    """The drain lasted longer than `api.drain_timeout`, or a second signal came: they are answered
    503.

    Clients repeat them. Where it happens at every stop, raise `api.drain_timeout`.
    """


@event(INFO)
def drained(*, seconds: float) -> None:
    """Every connection is closed."""
