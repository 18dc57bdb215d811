"""When agents run next: the scheduler's to know, told where it answers at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from autogpt_db.gateways.scheduler import next_runs

if TYPE_CHECKING:
    from autogpt_db.operations import Database

_encode = msgspec.json.Encoder().encode


async def with_schedules(
    database: Database, document: bytes, user_id: str, graph_id: str | None = None
) -> bytes:
    """Return agents with what the scheduler says of them; as they are where it says nothing.

    Args:
        database: A handle for this call, which holds no connection now.
        document: An agent, a list of agents, or a page of them.
        user_id: Whose agents.
        graph_id: The one agent's graph.
    """
    runs = await next_runs(database.settings, user_id, graph_id)
    if not runs:
        return document
    told: bytes = await database.computed(len(document), scheduled, document, runs)
    return told


def scheduled(document: bytes, runs: dict[str, str]) -> bytes:
    """Return what `with_schedules` does.

    Args:
        document: As JSON.
        runs: When graphs run next.
    """
    told: Any = json.loads(document)
    agents = told if isinstance(told, list) else told.get("agents", [told])
    for agent in agents:
        if (moment := runs.get(agent["graph_id"])) is not None:
            agent["is_scheduled"] = True
            agent["next_scheduled_run"] = moment
    return _encode(told)
