"""The tree as those see it who look: what `status` shows, and what each process uses and holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autogpt_db.metrics.families import LANE_IN_USE, LANE_SIZE, LANE_WAITING
from autogpt_db.metrics.processes import usage
from autogpt_db.supervision.status import PATIENCE, read_status

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from autogpt_db.metrics.reading import Figures

_LANE = {LANE_SIZE.short_name: "size", LANE_IN_USE.short_name: "in_use",
         LANE_WAITING.short_name: "waiting"}  # fmt: skip


def look_at_tree(
    runtime: Path, figures: Iterable[Figures], patience: float = PATIENCE
) -> dict[str, Any]:
    """Return what `autogpt-db status --json` shows, and of each process more.

    Args:
        runtime: The daemon's runtime directory.
        figures: Of all processes, as they were read there.
        patience: Seconds for which the daemon is waited for.

    Returns:
        What `read_status` does; of processes that have figures also `memory` (bytes in RAM),
        `cpu_seconds` (processor time since the start; both None for one that has ended) and
        `lanes` (by name: `size`, `in_use`, `waiting`).

    Raises:
        DatabaseUnreachableError: No daemon answers there.
    """
    tree = read_status(runtime, patience)
    by_name = {process["name"]: process for process in tree["processes"]}
    for found in figures:
        process = by_name.get(found.name)
        if process is None:
            continue
        used = usage(found.pid, found.start)
        process["memory"] = None if used is None else used.memory
        process["cpu_seconds"] = None if used is None else used.cpu
        lanes: dict[str, dict[str, float]] = {}
        for key, values in found.series.items():
            # One that has ended holds no place any more.
            if used is not None and key[0] in _LANE:
                lanes.setdefault(key[1], {})[_LANE[key[0]]] = values[0]
        process["lanes"] = lanes
    return tree
