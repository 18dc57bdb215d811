"""Options of how the service is run."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - msgspec reads the annotations
from typing import Annotated, Literal

from msgspec import Meta, Struct

from autogpt_db.settings.declaration import option

ON_DEMAND = "never"
"""A job's schedule that starts nothing by itself."""


class WorkerOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The background jobs; when they run, schedules.py adds."""

    processes: Annotated[int, option("Worker processes.", ge=0, le=16)] = 1
    concurrency: Annotated[
        int,
        option("Jobs that run at once in each; no more than it has connections for.", ge=1, le=64),
    ] = 2
    pool_size: Annotated[
        int,
        option(
            "Connections that each worker process may open: two are for the queue (one behind a "
            "transaction pooler), each further one for a job.",
            ge=2,
            le=64,
        ),
    ] = 4
    stop_timeout: Annotated[
        float,
        option(
            "Seconds that running jobs get to finish when a process stops; then they go back to "
            "the queue, and another worker starts them again.",
            ge=0,
            le=3600,
        ),
    ] = 15.0
    notifications_purge_days: Annotated[
        Annotated[int, Meta(ge=2, le=3650)] | None,
        option("Days after which batches of notifications that nobody sends go. Unset: never."),
    ] = None
    measure_error_rate: Annotated[
        float, option("Share of failures at which a block counts as failing.", ge=0.001, le=1)
    ] = 0.5
    measure_accuracy_drop: Annotated[
        float,
        option("Percent by which an agent's accuracy must drop to be told.", ge=0.1, le=100),
    ] = 10.0


class LoggingSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is logged, and how."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], option("Least level that is logged.")
    ] = "info"
    format: Annotated[
        Literal["auto", "console", "json", "journal"],
        option("auto: journal under systemd, colours on a terminal, JSON lines when piped."),
    ] = "auto"
    requests: Annotated[
        Literal["all", "failed", "none"],
        option("Which requests get a line of their own; failed counts slow ones in."),
    ] = "all"
    request_lines: Annotated[
        int,
        option(
            "Requests that get a line of their own in a second, per API process; of more, the sums "
            "are logged. What failed or was slow always has its own.",
            ge=0,
            le=100_000,
        ),
    ] = 50
    slow_request: Annotated[
        float, option("Seconds after which a request is logged as slow, a warning.", ge=0, le=3600)
    ] = 1.0


class MetricsSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What GET /metrics says, for Prometheus."""

    needs_token: Annotated[
        bool,
        option("Whether a scrape must carry api.token, where that is set, as every call must."),
    ] = True
    database_interval: Annotated[
        float,
        option("Seconds that PostgreSQL's own figures are good for.", ge=1, le=3600),
    ] = 10.0


class SupervisionSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the tree of processes is kept alive."""

    heartbeat_timeout: Annotated[
        float,
        option("Seconds without a child's heartbeat after which it is replaced.", ge=2, le=600),
    ] = 4.0
    ready_timeout: Annotated[
        float,
        option(
            "Seconds a started child may take until it reports ready; then it is replaced.",
            ge=1,
            le=3600,
        ),
    ] = 30.0
    backoff_max: Annotated[
        float, option("Longest pause between a failing child's restarts, in seconds.", ge=1, le=600)
    ] = 30.0
    programs_directory: Annotated[
        Path | None,
        option(
            "Directory of *.conf files with [program:x] sections in Supervisor's language: "
            "programs that run beside the service, started after it and stopped before it. "
            "Unset: /etc/autogpt-db/programs.d."
        ),
    ] = None
