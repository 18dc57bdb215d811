"""The page on the metrics."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tools.reference import NOTICE

from autogpt_db.metrics.families import FAMILIES
from autogpt_db.metrics.layout import RECORDS, SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator


def metrics_page() -> Iterator[str]:
    """Yield the page's lines."""
    yield "# Metrics"
    yield ""
    yield NOTICE
    yield ""
    yield (
        "`GET /metrics`, on the API's own port, answers in Prometheus' text format for all "
        "processes of the service on this host, whichever of them is asked. Where `api.token` is "
        "set, a scrape carries it too, unless `metrics.needs_token` is false. How to set up "
        "Prometheus: [monitor with Prometheus](../howto/monitor-with-prometheus.md)."
    )
    yield ""
    yield (
        "Counters go on when a process is restarted or killed; they begin anew when the service "
        "is. What has the label `process` is that process's own and is gone with it, counters "
        "excepted; all else is the sum over the processes. PostgreSQL's figures are asked for when "
        "a scrape comes, at most every `metrics.database_interval` seconds (sizes, tables and the "
        "queue every 60); when it does not answer within 20 ms the reply has those of the time "
        "before, and `autogpt_db_database_observed_timestamp_seconds` tells their age."
    )
    yield ""
    yield (
        f"The figures are kept in `metrics/` below the runtime directory: a file of "
        f"{math.ceil(SIZE / 1024)} KiB for each process's name. A process has room for "
        f"{RECORDS:,} series; what comes beyond is counted as `other`."
    )
    yield ""
    yield "| metric | type | labels | meaning |"
    yield "|---|---|---|---|"
    for name, family in FAMILIES.items():
        labels = ", ".join(f"`{label}`" for label in family.labels) or "-"
        yield f"| `{name}` | {family.kind} | {labels} | {family.help} |"
    yield ""
    yield "Buckets of the histograms:"
    yield ""
    for name, family in FAMILIES.items():
        if family.bounds:
            yield f"- `{name}`: {', '.join(f'{bound:g}' for bound in family.bounds)}, +Inf"
