"""Traces for OpenTelemetry: which calls are traced, and the way of their spans to a collector.

Nothing else of this room is imported where `traces.enabled` isn't set. Spans are not made by
OpenTelemetry's own SDK: making and writing one takes that five times as long, and its queue
neither bounds a stop nor tells what became of a span. What is sent are its protocol's own messages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autogpt_db.metrics import Store
    from autogpt_db.settings import TracesSettings
    from autogpt_db.traces.tracer import Tracer

LAST_WORDS = 1.0
"""Seconds that a stop waits at most for a collector to take what is left."""


def open_tracer(settings: TracesSettings, store: Store) -> Tracer | None:
    """Return what begins traces, on the event loop that runs; None where they are off.

    Its thread is this process's own: it is to be opened behind every fork, and closed.

    Args:
        settings: Where spans go, and the bounds.
        store: Where they are counted.
    """
    if not settings.enabled:
        return None
    from autogpt_db.traces.opening import opened

    return opened(settings, store)
