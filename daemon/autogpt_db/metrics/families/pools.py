"""Pools and merging."""

from __future__ import annotations

from autogpt_db.metrics.declaration import counter, gauge, histogram

BATCHES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)

# Pools --------------------------------------------------------------------------------------------

POOL_SIZE = gauge("pool_connections", "Connections to PostgreSQL in the pool.", own=True)
POOL_IN_USE = gauge("pool_connections_in_use", "Connections that calls have borrowed.", own=True)
POOL_WAITING = gauge("pool_calls_waiting", "Calls that wait for a connection.", own=True)
POOL_WAITS = counter("pool_waits_total", "Calls that had to wait for a connection.", own=True)
POOL_WAIT_SECONDS = counter(
    "pool_wait_seconds_total", "Seconds that calls have waited for a connection.", own=True
)
POOL_REFUSALS = counter(
    "pool_refusals_total",
    "Calls that got no connection: too many waited, or none became free in time.",
    own=True,
)
POOL_LOST = counter(
    "pool_connections_lost_total", "Connections that broke or had to be replaced.", own=True
)
POOL_STRAYS = counter(
    "pool_connections_stray_total",
    "Connections that were open, and neither idle nor lent to anybody who lives: replaced.",
    own=True,
)
LANE_SIZE = gauge(
    "lane_size", "Connections that calls of a lane may hold at once.", "lane", own=True
)
LANE_IN_USE = gauge("lane_in_use", "Connections that calls of a lane hold.", "lane", own=True)
LANE_WAITING = gauge(
    "lane_calls_waiting", "Calls that wait for a place in a lane.", "lane", own=True
)

# Idempotency keys ---------------------------------------------------------------------------------

KEYED_CALLS = counter(
    "keyed_calls_total",
    "Calls with an idempotency key that were answered: `first` did the work, `replayed` got "
    "another one's reply, `refused` came with another content.",
    "answer",
)
KEYED_RESOLVED = counter(
    "keyed_calls_resolved_total",
    "Calls with an idempotency key that lost a connection, and learnt by the key how they ended.",
)
KEYED_WAITING = gauge(
    "keyed_calls_waiting", "Calls that wait for another one with the same key.", own=True
)

# Merging ------------------------------------------------------------------------------------------

BATCH_SIZE = histogram(
    "merged_batch_size", BATCHES, "Calls that went to PostgreSQL in one statement."
)
ISOLATED = counter(
    "merged_calls_isolated_total", "Calls that were sent again alone, because their batch failed."
)
