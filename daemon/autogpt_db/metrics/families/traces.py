"""Traces."""

from __future__ import annotations

from autogpt_db.metrics.declaration import counter

SPAN_OUTCOMES = ("sent", "refused", "failed", "left out", "left behind")

SPANS = counter(
    "trace_spans_total",
    "Spans by what became of them: sent; refused, or failed to reach the collector; left out, "
    "because too many waited; left behind by a stop.",
    "outcome",
)
