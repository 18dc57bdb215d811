"""Whether blocks and agents still do what they did."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, LiteralString

from autogpt_db.logs.events import worker as log
from autogpt_db.operations.executions.monitoring import (
    get_accuracy_trends_and_alerts,
    get_block_error_stats,
    get_marketplace_graphs_for_monitoring,
)
from autogpt_db.signatures.replies import decoded
from autogpt_db.worker.figures import Figure, report
from autogpt_db.worker.registry import job

if TYPE_CHECKING:
    from autogpt_db.worker.handle import JobDatabase

WINDOW = dt.timedelta(days=1)
TREND_DAYS = 21

NAMES: LiteralString = """
SELECT "id", "name" FROM platform."AgentBlock" WHERE "id" = ANY (%(ids)s::text[])
"""


@job(
    schedule="41 5 * * *",
    when="blocks and agents are measured",
    option="measure_schedule",
    time_limit=1800.0,
    statement_limit=300.0,
    attempts=3,
)
async def measure_blocks(database: JobDatabase) -> dict[str, Any]:
    """Measure the blocks' error rates of the last day, and drops of the agents' accuracy.

    The figures are those of AutoGPT's own daily alerts: blocks with ten executions or more, and
    agents of the marketplace with ten or more in 30 days.
    """
    failing, figures = await _blocks(database)
    dropped = await _agents(database, figures)
    await report(database, figures)
    return {"failing_blocks": failing, "accuracy_drops": dropped}


async def _blocks(database: JobDatabase) -> tuple[int, list[Figure]]:
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    blocks = decoded(await get_block_error_stats(database, now - WINDOW, now)) or []
    ids = [block["block_id"] for block in blocks]
    names = dict(await database.rows(NAMES, {"ids": ids}))
    threshold = database.settings.worker.measure_error_rate
    failing = 0
    figures = []
    for block in blocks:
        rate = block["failed_executions"] / block["total_executions"]
        name = names.get(block["block_id"], "unknown")
        labels = {"block_id": block["block_id"], "block": name}
        figures.append(Figure("block_executions", block["total_executions"], labels))
        figures.append(Figure("block_error_ratio", rate, labels))
        if rate >= threshold:
            failing += 1
            log.block_failing(
                block_id=block["block_id"],
                block=name,
                executions=block["total_executions"],
                failed=block["failed_executions"],
            )
    return failing, figures


async def _agents(database: JobDatabase, figures: list[Figure]) -> int:
    threshold = database.settings.worker.measure_accuracy_drop
    dropped = 0
    graphs = decoded(await get_marketplace_graphs_for_monitoring(database)) or []
    for place, graph in enumerate(graphs):
        trend = decoded(
            await get_accuracy_trends_and_alerts(
                database, graph["graph_id"], days_back=TREND_DAYS, drop_threshold=threshold
            )
        )
        alert = trend["alert"] if trend is not None else None
        latest = trend["latest_data"]["three_day_avg"] if trend is not None else None
        if latest is not None:
            figures.append(Figure("agent_accuracy_percent", latest, {"graph": graph["graph_id"]}))
        if alert is not None:
            dropped += 1
            log.accuracy_dropped(
                graph_id=graph["graph_id"],
                drop_percent=round(alert["drop_percent"], 1),
                three_day_average=round(alert["three_day_avg"], 1),
                seven_day_average=round(alert["seven_day_avg"], 1),
            )
        await database.progress(place + 1, len(graphs))
    return dropped
