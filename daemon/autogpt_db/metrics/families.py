"""Every metric, declared once; docs/reference/metrics.md derives from this page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PREFIX = "autogpt_db_"

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of a request's buckets: from a point read to what nobody waits for."""
BATCHES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
HOLDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of an event loop's holds: 0.2 is the most that a request may make others wait."""
LONG = (0.01, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
"""Upper bounds of a job's buckets."""


@dataclass(frozen=True, slots=True)
class Family:
    """A metric, with all its labels' values.

    Attributes:
        name: As Prometheus knows it.
        kind: Prometheus' type.
        help: What it says, in a sentence.
        labels: Names of its labels.
        bounds: Upper bounds of a histogram's buckets, the last one (infinity) left out.
        own: Whether the label `process` stands first and names the process that measured it;
            all others are summed over the processes.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    own: bool = False

    @property
    def short_name(self) -> str:
        """Return the name as it is stored."""
        return self.name.removeprefix(PREFIX)


FAMILIES: dict[str, Family] = {}
"""By name, in the order in which they are exposed."""


def _counter(name: str, text: str, *labels: str, own: bool = False) -> Family:
    return _declare(name, "counter", text, labels, own=own)


def _gauge(name: str, text: str, *labels: str, own: bool = False) -> Family:
    return _declare(name, "gauge", text, labels, own=own)


def _histogram(name: str, bounds: tuple[float, ...], text: str, *labels: str) -> Family:
    return _declare(name, "histogram", text, labels, bounds)


def _declare(
    name: str,
    kind: Literal["counter", "gauge", "histogram"],
    text: str,
    labels: tuple[str, ...],
    bounds: tuple[float, ...] = (),
    *,
    own: bool = False,
) -> Family:
    family = Family(PREFIX + name, kind, text, (("process",) if own else ()) + labels, bounds, own)
    FAMILIES[family.name] = family
    return family


# Requests ----------------------------------------------------------------------------------------

REQUESTS = _counter(
    "requests_total",
    "Requests answered, or whose client left (499). What is not served here is `unknown`.",
    "method",
    "status",
)
REQUEST_SECONDS = _histogram(
    "request_duration_seconds",
    SECONDS,
    "Seconds from a request's arrival to its reply.",
    "method",
)
IN_FLIGHT = _gauge("requests_in_flight", "Requests that are being served.", own=True)
HTTP_CONNECTIONS = _gauge("http_connections", "Connections that clients have open.", own=True)

LOOP_HOLDS = _histogram(
    "event_loop_hold_seconds",
    HOLDS,
    "Seconds by which a tick of an API process's event loop, one in 20 ms, came late because the "
    "process was computing: for so long it served nobody.",
)
LOOP_LONGEST = _gauge(
    "event_loop_longest_hold_seconds",
    "The longest of these in the last minute or two.",
    own=True,
)
MEMORY_HELD = _gauge(
    "request_memory_bytes",
    "Bytes of the bodies that are being read, and of those whose calls are under way.",
    own=True,
)
MEMORY_REFUSALS = _counter(
    "request_memory_refusals_total",
    "Requests that got 503 because of api.memory_limit.",
)
SLOW_READERS_CUT = _counter(
    "http_slow_readers_cut_total",
    "Connections that were cut because replies that clients did not read reached api.memory_limit.",
)
HELPERS = _gauge(
    "helper_processes", "Processes that read large bodies for an API process.", own=True
)
ACCEPT_PAUSES = _counter(
    "http_accept_pauses_total",
    "Times that an API process stopped accepting connections: it had no file descriptors left.",
)

PASSED_ON = _counter(
    "calls_passed_on_total",
    "Calls of methods that are not served here, passed on to AutoGPT's own service. Names beyond "
    "500 are `(other)`.",
    "method",
)
ARGUMENTS_NOT_HONOURED = _counter(
    "calls_with_unknown_arguments_total",
    "Calls with arguments that are not known here, or that the database has nothing for, by what "
    "became of them: `passed on`, or `refused` with 422.",
    "method",
    "outcome",
)

# Pools -------------------------------------------------------------------------------------------

POOL_SIZE = _gauge("pool_connections", "Connections to PostgreSQL in the pool.", own=True)
POOL_IN_USE = _gauge("pool_connections_in_use", "Connections that calls have borrowed.", own=True)
POOL_WAITING = _gauge("pool_calls_waiting", "Calls that wait for a connection.", own=True)
POOL_WAITS = _counter("pool_waits_total", "Calls that had to wait for a connection.", own=True)
POOL_WAIT_SECONDS = _counter(
    "pool_wait_seconds_total", "Seconds that calls have waited for a connection.", own=True
)
POOL_REFUSALS = _counter(
    "pool_refusals_total",
    "Calls that got no connection: too many waited, or none became free in time.",
    own=True,
)
POOL_LOST = _counter(
    "pool_connections_lost_total", "Connections that broke or had to be replaced.", own=True
)
POOL_STRAYS = _counter(
    "pool_connections_stray_total",
    "Connections that were open, and neither idle nor lent to anybody who lives: replaced.",
    own=True,
)
LANE_SIZE = _gauge(
    "lane_size", "Connections that calls of a lane may hold at once.", "lane", own=True
)
LANE_IN_USE = _gauge("lane_in_use", "Connections that calls of a lane hold.", "lane", own=True)
LANE_WAITING = _gauge(
    "lane_calls_waiting", "Calls that wait for a place in a lane.", "lane", own=True
)

# Idempotency keys --------------------------------------------------------------------------------

KEYED_CALLS = _counter(
    "keyed_calls_total",
    "Calls with an idempotency key that were answered: `first` did the work, `replayed` got "
    "another one's reply, `refused` came with another content.",
    "answer",
)
KEYED_RESOLVED = _counter(
    "keyed_calls_resolved_total",
    "Calls with an idempotency key that lost a connection, and learnt by the key how they ended.",
)
KEYED_WAITING = _gauge(
    "keyed_calls_waiting", "Calls that wait for another one with the same key.", own=True
)

# Merging -----------------------------------------------------------------------------------------

BATCH_SIZE = _histogram(
    "merged_batch_size", BATCHES, "Calls that went to PostgreSQL in one statement."
)
ISOLATED = _counter(
    "merged_calls_isolated_total", "Calls that were sent again alone, because their batch failed."
)

# Processes ---------------------------------------------------------------------------------------

BUILD = _gauge("build_info", "Always 1; its labels say what runs.", "version", "python")
PROCESS_UP = _gauge(
    "process_up", "1 when supervision takes the process as serving, 0 when not.", "process"
)
PROCESS_RESTARTS = _counter(
    "process_restarts_total", "Starts of a process after its first one.", "process"
)
PROCESS_EXITS = _counter(
    "process_exits_total",
    "Ends of a process: `stopped` when it was asked to, else how it died.",
    "process",
    "how",
)
PROCESS_LAST_EXIT = _gauge(
    "process_last_exit_timestamp_seconds", "When a process ended last, as Unix time.", "process"
)
PROCESS_START = _gauge(
    "process_start_time_seconds", "When a process was started, as Unix time.", own=True
)
PROCESS_MEMORY = _gauge(
    "process_resident_memory_bytes", "Memory of a process that is in RAM (RSS).", own=True
)
PROCESS_CPU = _counter(
    "process_cpu_seconds_total", "Processor time that a process has used since its start.", own=True
)
PROCESS_FILES = _gauge("process_open_fds", "Open file descriptors of a process.", own=True)
PROCESS_FILES_MAX = _gauge(
    "process_max_fds", "File descriptors that a process may have open.", own=True
)

# Jobs --------------------------------------------------------------------------------------------

JOB_RUNS = _counter(
    "job_runs_total",
    "Runs of background jobs on this host that ended, by how they did.",
    "job",
    "outcome",
)
JOB_SECONDS = _histogram("job_duration_seconds", LONG, "Seconds that a job's runs took.", "job")
JOBS_RUNNING = _gauge("jobs_running", "Jobs that a worker process runs now.", own=True)
JOBS = _gauge(
    "queued_jobs",
    "Jobs in the database's queue, over all hosts: todo, doing or failed.",
    "job",
    "status",
)

JOB_SUCCEEDED = _gauge(
    "job_last_success_timestamp_seconds",
    "When a job was last done, on whatever host, as Unix time.",
    "job",
)
JOB_PROGRESS = _gauge(
    "job_progress_ratio", "Share done of a running job that tells its progress.", "job"
)
JOB_PAUSED = _gauge("job_paused", "1 for a job that an operator has paused.", "job")
JOB_MEASURED = _gauge(
    "job_measured_timestamp_seconds", "When a job last measured something, as Unix time.", "job"
)

# What jobs measure -------------------------------------------------------------------------------

# A job writes rows into autogpt_db.job_figure; those are shown whose name stands here (without
# the prefix) and whose labels are the family's.

STUCK = _gauge(
    "stuck_executions",
    "Executions that do not go on, by what is wrong; 1,000 stands for that many or more.",
    "kind",
)

BATCHES_OVERDUE = _gauge(
    "notification_batches_overdue", "Batches of notifications that nobody has sent in time.", "type"
)
BATCHES_OLDEST = _gauge(
    "notification_batches_oldest_seconds", "Age of the oldest overdue batch.", "type"
)
BATCHES_OVERSIZED = _gauge(
    "notification_batches_oversized", "Batches that are too large for a reply.", "type"
)
BALANCES_CHECKED = _gauge("balances_checked", "Users whose balance was compared with the ledger.")
BALANCES_DIFFERING = _gauge("balances_differing", "Users whose balance isn't what the ledger says.")
BALANCES_DIFFERENCE = _gauge("balances_difference_cents", "Sum of those differences, in cents.")
TOP_UPS_UNSETTLED = _gauge(
    "top_ups_unsettled", "Automatic top-ups of which nobody knows yet what was charged."
)
TOP_UPS_OLDEST = _gauge("top_ups_unsettled_oldest_seconds", "Age of the oldest of those.")
BLOCK_EXECUTIONS = _gauge(
    "block_executions", "Executions of a block in the period that is measured.", "block_id", "block"
)
BLOCK_ERRORS = _gauge(
    "block_error_ratio", "Share of those that failed, from 0 to 1.", "block_id", "block"
)
ACCURACY = _gauge(
    "agent_accuracy_percent", "Mean correctness of an agent's runs over three days.", "graph"
)
EMBEDDINGS_WANTED = _gauge("embeddings_wanted", "What searches by meaning are to find.")
EMBEDDINGS_THERE = _gauge("embeddings_there", "What of it has an embedding.")
RETAIN_ROWS = _gauge("retain_rows_deleted", "Rows that the last run of retain has deleted.")
RETAIN_UNFINISHED = _gauge("retain_unfinished", "1 when retain has more to delete next time.")

MEASURED = {
    family.short_name: family
    for family in (
        STUCK,
        BATCHES_OVERDUE,
        BATCHES_OLDEST,
        BATCHES_OVERSIZED,
        BALANCES_CHECKED,
        BALANCES_DIFFERING,
        BALANCES_DIFFERENCE,
        TOP_UPS_UNSETTLED,
        TOP_UPS_OLDEST,
        BLOCK_EXECUTIONS,
        BLOCK_ERRORS,
        ACCURACY,
        EMBEDDINGS_WANTED,
        EMBEDDINGS_THERE,
        RETAIN_ROWS,
        RETAIN_UNFINISHED,
    )
}

# The database ------------------------------------------------------------------------------------

DATABASE_UP = _gauge(
    "database_up", "1 when PostgreSQL answered when it was last asked, 0 when not."
)
DATABASE_WRITABLE = _gauge(
    "database_writable",
    "1 when writes can succeed, 0 while the database refuses all: read-only, or its disk full.",
    own=True,
)
DATABASE_FAULTS = _counter(
    "database_faults_total",
    "Statements that the database refused for a reason that somebody has to mend, by cause.",
    "cause",
)
DATABASE_INFO = _gauge(
    "database_info", "Always 1; its label says which PostgreSQL it is.", "version"
)
DATABASE_SEEN = _gauge(
    "database_observed_timestamp_seconds",
    "When the other figures of the database were taken, as Unix time.",
)
DATABASE_RECOVERY = _gauge(
    "database_in_recovery",
    "1 when the server that is reached is a standby, which calls are not sent to.",
)
DATABASE_STANDBYS = _gauge(
    "database_standbys", "Standbys that stream from the server. Needs pg_monitor."
)
DATABASE_LAG = _gauge(
    "database_replication_lag_seconds",
    "How far the slowest standby is behind. Needs pg_monitor; absent without standbys.",
)
DATABASE_CONNECTIONS = _gauge(
    "database_connections", "Connections that the server has, of everyone."
)
DATABASE_CONNECTIONS_MAX = _gauge(
    "database_connections_max", "Connections that the server allows (max_connections)."
)
DATABASE_OLDEST = _gauge(
    "database_oldest_transaction_seconds",
    "Age of the oldest open transaction. Without pg_monitor: of those of our own role.",
)
DATABASE_SIZE = _gauge("database_size_bytes", "Size of the database on disk.")
TABLE_ROWS = _gauge("database_table_rows", "Rows of a big table, as PostgreSQL estimates.", "table")
TABLE_DEAD = _gauge(
    "database_table_dead_rows", "Dead rows of a big table that vacuum has not removed.", "table"
)
