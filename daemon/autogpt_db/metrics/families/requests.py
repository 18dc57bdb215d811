"""Requests."""

from __future__ import annotations

from autogpt_db.metrics.declaration import counter, gauge, histogram

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of a request's buckets: from a point read to what nobody waits for."""
HOLDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of an event loop's holds: 0.2 is the most that a request may make others wait."""

REQUESTS = counter(
    "requests_total",
    "Requests answered, or whose client left (499). What is not served here is `unknown`.",
    "method",
    "status",
)
REQUEST_SECONDS = histogram(
    "request_duration_seconds",
    SECONDS,
    "Seconds from a request's arrival to its reply.",
    "method",
)
STATEMENT_SECONDS = histogram(
    "statement_duration_seconds",
    SECONDS,
    "Seconds that PostgreSQL took for a statement of a method, a job or a look of the service's "
    "own. Of calls that share one it is counted once; BEGIN and COMMIT are not.",
    "statement",
)
IN_FLIGHT = gauge("requests_in_flight", "Requests that are being served.", own=True)
HTTP_CONNECTIONS = gauge("http_connections", "Connections that clients have open.", own=True)

LOOP_HOLDS = histogram(
    "event_loop_hold_seconds",
    HOLDS,
    "Seconds by which a tick of an API process's event loop, one in 20 ms, came late because the "
    "process was computing: for so long it served nobody.",
)
LOOP_LONGEST = gauge(
    "event_loop_longest_hold_seconds",
    "The longest of these in the last minute or two.",
    own=True,
)
MEMORY_HELD = gauge(
    "request_memory_bytes",
    "Bytes of the bodies that are being read, and of those whose calls are under way.",
    own=True,
)
MEMORY_REFUSALS = counter(
    "request_memory_refusals_total",
    "Requests that got 503 because of api.memory_limit.",
)
SLOW_READERS_CUT = counter(
    "http_slow_readers_cut_total",
    "Connections that were cut because replies that clients did not read reached api.memory_limit.",
)
HELPERS = gauge(
    "helper_processes", "Processes that read large bodies for an API process.", own=True
)
ACCEPT_PAUSES = counter(
    "http_accept_pauses_total",
    "Times that an API process stopped accepting connections: it had no file descriptors left.",
)

PASSED_ON = counter(
    "calls_passed_on_total",
    "Calls of methods that are not served here, passed on to AutoGPT's own service. Names beyond "
    "500 are `(other)`.",
    "method",
)
ARGUMENTS_NOT_HONOURED = counter(
    "calls_with_unknown_arguments_total",
    "Calls with arguments that are not known here, or that the database has nothing for, by what "
    "became of them: `passed on`, or `refused` with 422.",
    "method",
    "outcome",
)
