"""Services beside PostgreSQL."""

from __future__ import annotations

from autogpt_db.metrics.declaration import counter

GATEWAY_FAILURES = counter(
    "gateway_failures_total",
    "Times that a service beside PostgreSQL could not be asked, or did not answer as it should: "
    "`redis`, AutoGPT's `scheduler`, the maker of `embeddings`, the provider of `payments`.",
    "service",
)
