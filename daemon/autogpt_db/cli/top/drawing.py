"""What `top` draws: a document as lines, in the width and the height that there are."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from autogpt_db.cli.tables import duration
from autogpt_db.cli.top.cells import cut, fit, width_of
from autogpt_db.metrics.families import SECONDS
from autogpt_db.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from autogpt_db.cli.top.figures import Document

Style = Literal["", "title", "heading", "bad"]

_WIDEST = 40
"""Cells of a column, where the window has an end."""
_FEW = 5
"""Lines of errors and of slow calls, where the window has an end."""
_LEAST_METHODS = 3
_MEBIBYTE = 1024 * 1024
_MILLI = 0.001


class Line(NamedTuple):
    """A line.

    Attributes:
        text: Printable.
        style: How it stands out.
    """

    text: str
    style: Style = ""


class _Column(NamedTuple):
    title: str
    right: bool = False


_PROCESSES = (
    _Column("process"), _Column("state"), _Column("pid", right=True), _Column("uptime", right=True),
    _Column("restarts", right=True), _Column("cpu", right=True), _Column("memory", right=True),
    _Column("pool", right=True), _Column("waiting", right=True), _Column("lanes"),
    _Column("longest call"), _Column("last exit"),
)  # fmt: skip
_METHODS = (
    _Column("method"), _Column("calls/s", right=True), _Column("p50", right=True),
    _Column("p99", right=True), _Column("errors", right=True),
)  # fmt: skip
_JOBS = (
    _Column("job"), _Column("state"), _Column("waiting", right=True), _Column("failed", right=True),
    _Column("last run"), _Column("took", right=True), _Column("outcome"),
)  # fmt: skip

_ORDERS: dict[str, Callable[[Document], Any]] = {
    "calls": lambda method: -method["calls"],
    "p99": lambda method: -(method["p99"] or 0.0),
    "errors": lambda method: -method["errors"],
    "name": lambda method: method["name"],
}


def frame(
    document: Document,
    sort: str,
    *,
    width: int | None = None,
    height: int | None = None,
    keys: str = "",
) -> list[Line]:
    """Return a document as lines.

    Args:
        document: What there is.
        sort: What methods are sorted by: `calls`, `p99`, `errors` or `name`.
        width: Cells of a line, which each has then; None for as many as it needs.
        height: Lines there are room for; None for all. Methods get what the rest leaves.
        keys: What the keys do, in words.
    """
    few = None if height is None else _FEW
    above = [
        *_head(document),
        Line(keys),
        *_table(_PROCESSES, _process_rows(document["tree"]), width),
    ]
    below = [
        *_slow(document, few),
        *_errors(document, few),
        *_passed_on(document),
        *_jobs(document["queue"], width),
    ]
    methods = _table(_METHODS, _method_rows(document, sort), width)
    if height is not None:
        room = max(height - len(above) - len(below) - 1, _LEAST_METHODS + 1)
        if len(methods) > room:
            methods = [*methods[: room - 1], Line(f"… and {len(methods) - room + 1} more methods")]
    lines = [*above, Line(""), *methods, *below]
    if height is not None and len(lines) > height:
        hidden = len(lines) - height + 1
        lines = [*lines[: height - 1], Line(f"… {hidden} more lines: enlarge the window")]
    if width is None:
        return lines
    return [Line(fit(line.text, width), line.style) for line in lines]


def _head(document: Document) -> list[Line]:
    tree, calls, lately = document["tree"], document["calls"], document["lately"]
    clock = time.strftime("%H:%M:%SZ", time.gmtime(document["at"]))
    if "unknown" in tree:
        first = Line(f"autogpt-db  {clock}  {printable(tree['unknown'])}", "bad")
    else:
        words = f"autogpt-db {tree['version']}, pid {tree['pid']}  {clock}  {tree['words']}"
        first = Line(printable(words), "title")
    errors = int(sum(error["count"] for error in lately["errors"]))
    rate = "-" if calls["rate"] is None else f"{calls['rate']:.1f}"
    second = (
        f"{rate} calls/s, p50 {_seconds(calls['p50'])}, p99 {_seconds(calls['p99'])}; "
        f"{errors} errors in the last {duration(lately['seconds'])}"
    )
    return [first, Line(second)]


def _process_rows(tree: Document) -> list[tuple[Sequence[str], Style]]:
    rows: list[tuple[Sequence[str], Style]] = []
    processes = tree["processes"]
    for number, process in enumerate(processes):
        branch = "└─" if number == len(processes) - 1 else "├─"
        pool = process["pool"] or {}
        holder = pool.get("longest_holder")
        rows.append((
            (
                f"{branch} {process['name']}",
                process["state"],
                str(process["pid"] or "-"),
                duration(process["uptime_seconds"]),
                str(process["restarts"]),
                "-" if process.get("cpu") is None else f"{process['cpu'] * 100:.0f}%",
                _memory(process.get("memory")),
                f"{pool['in_use']}/{pool['size']}" if pool else "-",
                str(pool["waiting"]) if pool else "-",
                _lanes(process.get("lanes") or {}),
                f"{holder} {duration(pool['longest_holder_seconds'])}" if holder else "-",
                process["last_exit"] or "-",
            ),
            "" if process["state"] == "RUNNING" else "bad",
        ))  # fmt: skip
    return rows


def _lanes(lanes: Document) -> str:
    words = []
    for name, lane in lanes.items():
        size, in_use, waiting = (int(lane.get(key, 0)) for key in ("size", "in_use", "waiting"))
        words.append(f"{name} {in_use}/{size}" + (f" +{waiting}" if waiting else ""))
    return ", ".join(words) or "-"


def _method_rows(document: Document, sort: str) -> list[tuple[Sequence[str], Style]]:
    methods = sorted(document["calls"]["methods"], key=_ORDERS[sort])
    return [
        (
            (
                method["name"],
                f"{method['rate']:.1f}",
                _seconds(method["p50"]),
                _seconds(method["p99"]),
                str(int(method["errors"])),
            ),
            "bad" if method["errors"] else "",
        )
        for method in methods
    ]


def _slow(document: Document, most: int | None) -> list[Line]:
    lately = document["lately"]
    if not lately["slow"]:
        return []
    lines = [Line(""), Line(f"SLOW CALLS, of the last {duration(lately['seconds'])}", "heading")]
    for slow in lately["slow"][:most]:
        bound = slow["longest_bucket"]
        words = f"longer than {SECONDS[-1]:g} s" if bound is None else f"up to {bound:g} s"
        lines.append(
            Line(f"{slow['count']:>6}  {printable(slow['method'])}: 1 s and more, {words}")
        )
    return lines


def _errors(document: Document, most: int | None) -> list[Line]:
    """Return the errors by their class, each with its methods."""
    lately = document["lately"]
    classes: dict[str, list[Document]] = {}
    for error in lately["errors"]:
        classes.setdefault(error["status"], []).append(error)
    if not classes:
        return []
    lines = [Line(""), Line(f"ERRORS, of the last {duration(lately['seconds'])}", "heading")]
    for status, errors in list(classes.items())[:most]:
        count = int(sum(error["count"] for error in errors))
        methods = ", ".join(f"{error['method']} {int(error['count'])}" for error in errors)
        lines.append(Line(f"{count:>6}  {_phrase(status)}: {printable(methods)}", "bad"))
    return lines


def _passed_on(document: Document) -> list[Line]:
    """Return which methods AutoGPT's own service has answered, since the service's start."""
    methods = document["calls"]["passed_on"]
    names = ", ".join(f"{method['method']} {int(method['calls'])}" for method in methods)
    return [Line(""), Line(f"Passed on to AutoGPT: {printable(names)}")] if methods else []


def _phrase(status: str) -> str:
    try:
        return f"{status} {HTTPStatus(int(status)).phrase}"
    except ValueError:
        return printable(status)


def _jobs(queue: Document, width: int | None) -> list[Line]:
    """Return the jobs that there is something to say of, and how many are idle."""
    if not queue:
        return []  # they have not been looked at yet
    if "unknown" in queue:
        return [Line(""), Line(f"JOBS: unknown: {printable(queue['unknown'])}", "bad")]
    rows: list[tuple[Sequence[str], Style]] = []
    for job in queue["jobs"]:
        state = _state(job)
        if state == "idle" and not job["waiting"] and not job["failed"]:
            continue
        rows.append((
            (
                job["job"],
                state,
                str(job["waiting"]),
                str(job["failed"]),
                "-" if job["last_ended_at"] is None else _time(job["last_ended_at"]),
                duration(job["last_seconds"]),
                job["last_outcome"] or "-",
            ),
            "bad" if job["failed"] else "",
        ))  # fmt: skip
    idle = Line(f"{len(queue['jobs']) - len(rows)} jobs are idle")
    return [Line(""), *(_table(_JOBS, rows, width) if rows else ()), idle]


def _state(job: Document) -> str:
    if job["started_at"] is not None:
        share = f" {100 * job['done'] / job['total']:.0f}%" if job["done"] and job["total"] else ""
        return f"running{share}"
    return "paused" if job["paused"] else "idle"


def _time(moment: Any) -> str:
    """Return the time of day of a moment, in UTC."""
    return f"{moment:%H:%M:%S}Z" if hasattr(moment, "strftime") else str(moment)[11:19] + "Z"


def _table(
    columns: Sequence[_Column], rows: Iterable[tuple[Sequence[str], Style]], width: int | None
) -> list[Line]:
    cells = [([printable(cell) for cell in row], style) for row, style in rows]
    if width is not None:
        cells = [([cut(cell, _WIDEST) for cell in row], style) for row, style in cells]
    titles = [column.title.upper() for column in columns]
    widths = [
        max(width_of(row[place]) for row in (titles, *(row for row, _ in cells)))
        for place in range(len(columns))
    ]

    def line(row: Sequence[str]) -> str:
        return "  ".join(
            fit(cell, wide, right=column.right)
            for cell, wide, column in zip(row, widths, columns, strict=True)
        ).rstrip()

    return [Line(line(titles), "heading"), *(Line(line(row), style) for row, style in cells)]


def _seconds(value: float | None) -> str:
    if value is None:
        return "-"
    if value < _MILLI:
        return f"{value * 1e6:.0f} µs"
    if value < 1:
        return f"{value * 1e3:.1f} ms"
    return f"{value:.2f} s" if value < SECONDS[-1] else f"≥ {SECONDS[-1]:g} s"


def _memory(value: float | None) -> str:
    return "-" if value is None else f"{value / _MEBIBYTE:.0f} MiB"
