"""One run as bars over time: when each of its node executions waited, and when it ran."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

WIDTH = 1000.0
LABELS = 250.0
"""Of the width, what the names have."""
ROW = 26
TOP = 26
LEAST = 2.0
"""Width of a bar that is shorter than can be seen."""
_STEPS = (0.001, 0.01, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 600, 1800, 3600, 6 * 3600, 86400, 7 * 86400)
_MOST_TICKS = 8
ENDED = frozenset({"COMPLETED", "FAILED", "TERMINATED"})


@dataclass(frozen=True, slots=True)
class Bar:
    """One node execution.

    Attributes:
        id: Its id.
        name: Of its block, or its node's id where the block is gone.
        status: Its status.
        y: Of its row.
        wait_x: Where its waiting begins.
        wait_width: How long that is drawn.
        x: Where its running begins.
        width: How long that is drawn.
        waited: Seconds it waited.
        ran: Seconds it has run; None where it hasn't begun.
        offset: Seconds from the run's beginning to when it was added.
        retries: How often a model was asked again.
        again: Which execution of its node this is, from 1 on.
    """

    id: str
    name: str
    status: str
    y: float
    wait_x: float
    wait_width: float
    x: float
    width: float
    waited: float
    ran: float | None
    offset: float
    retries: int
    again: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """The bars, and the scale above them.

    Attributes:
        bars: In the order in which they were added.
        ticks: Where lines stand, and the seconds that they stand for.
        height: Of the whole.
        seconds: From the run's making to its end, or until now.
    """

    bars: list[Bar]
    ticks: list[tuple[float, float]]
    height: float
    seconds: float


def draw(run: dict[str, Any]) -> Timeline:
    """Return a run's timeline.

    Args:
        run: As `statements.RUN` returns it.
    """
    nodes = run["timeline"]
    begin = min([run["made"], *(node["added"] for node in nodes)])
    live = run["status"] not in ENDED
    ends = [run["now"] if live else run["ended"] or run["made"]]
    ends += [node["ended"] or node["started"] or node["added"] for node in nodes]
    seconds = max(max(ends) - begin, 0.001)

    def at(moment: float) -> float:
        share: float = min(max((moment - begin) / seconds, 0.0), 1.0)
        return LABELS + share * (WIDTH - LABELS)

    seen: dict[str, int] = {}
    bars = []
    for number, node in enumerate(nodes):
        seen[node["node"]] = seen.get(node["node"], 0) + 1
        open_end = begin + seconds if node["status"] not in ENDED else node["added"]
        started = node["started"]
        waited_until = started or node["ended"] or open_end
        ended = node["ended"] or (max(open_end, started) if started else None)
        x, end = at(started or waited_until), at(ended or waited_until)
        retries = node["retries"]
        bars.append(
            Bar(
                id=node["id"],
                name=node["block"] or node["node"],
                status=node["status"],
                y=TOP + number * ROW,
                wait_x=round(at(node["added"]), 2),
                wait_width=round(max(0.0, at(waited_until) - at(node["added"])), 2),
                x=round(min(x, WIDTH - LEAST), 2),
                width=round(max(LEAST, end - x), 2) if started else 0.0,
                waited=max(0.0, waited_until - node["added"]),
                ran=None if not started or ended is None else max(0.0, ended - started),
                offset=node["added"] - begin,
                retries=retries if isinstance(retries, int) else 0,
                again=seen[node["node"]],
            )
        )
    step = next((one for one in _STEPS if seconds / one <= _MOST_TICKS), seconds / _MOST_TICKS)
    ticks = [(round(at(begin + n * step), 2), n * step) for n in range(int(seconds / step) + 1)]
    return Timeline(bars, ticks, TOP + max(1, len(bars)) * ROW + 6, seconds)
