"""Live events."""

from __future__ import annotations

from autogpt_db.metrics.declaration import counter, gauge

READERS = gauge("live_event_readers", "Readers that follow live events.", own=True)
READERS_DROPPED = counter(
    "live_event_readers_dropped_total",
    "Readers of live events that were dropped, because they did not keep up.",
    own=True,
)
LIVE_EVENT_WRITES = counter(
    "live_event_writes_total",
    "Statements and transactions that have written while live events are recorded: who follows on "
    "this host looks when it grows.",
    own=True,
)
EVENTS_READ = counter(
    "live_events_read_total", "Live events that were read for all who follow.", own=True
)
