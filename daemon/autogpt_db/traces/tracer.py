"""Which calls and runs are traced, and the beginning of their traces."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from autogpt_db.spans import Kind, Span, Trace, new_id
from autogpt_db.traces.context import parent_of, state_of

if TYPE_CHECKING:
    from autogpt_db.traces.exporter import Exporter


class Tracer:
    """Begins traces.

    Args:
        ratio: Share of what nobody has decided about that is traced.
        exporter: Sends their spans.
    """

    def __init__(self, ratio: float, exporter: Exporter) -> None:
        self._ratio = ratio
        self._exporter = exporter
        self._record = exporter.record

    def begin_call(
        self, name: str, started: float, traceparent: bytes | None, tracestate: bytes | None
    ) -> Span | None:
        """Begin the span of a request; None: it is not traced.

        Its caller decides, if it is traced there. A header that says nothing sensible says nothing.

        Args:
            name: What the span is called.
            started: `time.monotonic()` moment of its arrival.
            traceparent: The header, if there is one.
            tracestate: The header, if there is one.
        """
        parent = None if traceparent is None else parent_of(traceparent)
        if parent is None:
            if random.random() >= self._ratio:  # noqa: S311 - no secret
                return None
            trace = Trace(new_id(128), self._record)
            return Span(trace, name, Kind.SERVER, is_entry=True, started=started)
        if not parent.sampled:
            return None
        trace = Trace(parent.trace_id, self._record, state_of(tracestate) if tracestate else "")
        return Span(trace, name, Kind.SERVER, parent.span_id, is_entry=True, started=started)

    def begin_run(self, name: str) -> Span | None:
        """Begin the span of a job's run; None: it is not traced.

        Args:
            name: What the span is called.
        """
        if random.random() >= self._ratio:  # noqa: S311 - no secret
            return None
        return Span(Trace(new_id(128), self._record), name, Kind.INTERNAL, is_entry=True)

    async def close(self, seconds: float) -> None:
        """Send what waits, for so many seconds at most."""
        await self._exporter.close(seconds)
