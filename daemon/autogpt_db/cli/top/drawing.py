"""What `top` draws: a document as lines, in the width and the height that there are."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from autogpt_db.cli.tables import duration
from autogpt_db.cli.top.cells import fit
from autogpt_db.cli.top.lines import Column, Line, memory, seconds, table
from autogpt_db.metrics.families import SECONDS
from autogpt_db.metrics.growth import SLOW_STATEMENT
from autogpt_db.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autogpt_db.cli.top.figures import Document
    from autogpt_db.cli.top.lines import Style

_FEW = 5
"""Lines of errors and of slow calls, where the window has an end."""
_LEAST_METHODS = 3


_PROCESSES = (
    Column("process"), Column("state"), Column("pid", right=True), Column("uptime", right=True),
    Column("restarts", right=True), Column("cpu", right=True), Column("memory", right=True),
    Column("pool"), Column("lanes"),
    Column("longest call"), Column("last exit"),
)  # fmt: skip
_METHODS = (
    Column("method"), Column("calls/s", right=True), Column("p50", right=True),
    Column("p99", right=True), Column("errors", right=True),
)  # fmt: skip
_JOBS = (
    Column("job"), Column("state"), Column("waiting", right=True), Column("failed", right=True),
    Column("last run"), Column("took", right=True), Column("outcome"),
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
        *table(_PROCESSES, _process_rows(document["tree"], drawn=width is not None), width),
    ]
    below = [
        *_slow(document, few),
        *_slow_statements(document, few),
        *_errors(document, few),
        *_passed_on(document),
        *_jobs(document["queue"], width),
    ]
    methods = table(_METHODS, _method_rows(document, sort), width)
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
        f"{rate} calls/s, p50 {seconds(calls['p50'])}, p99 {seconds(calls['p99'])}; "
        f"{errors} errors in the last {duration(lately['seconds'])}"
    )
    return [first, Line(second)]


def _process_rows(tree: Document, *, drawn: bool) -> list[tuple[Sequence[str], Style]]:
    """Return the processes; as branches where people look, by their bare names for scripts."""
    rows: list[tuple[Sequence[str], Style]] = []
    processes = tree["processes"]
    for number, process in enumerate(processes):
        branch = "└─ " if number == len(processes) - 1 else "├─ "
        pool = process["pool"] or {}
        holder = pool.get("longest_holder")
        rows.append((
            (
                f"{branch if drawn else ''}{process['name']}",
                process["state"],
                str(process["pid"] or "-"),
                duration(process["uptime_seconds"]),
                str(process["restarts"]),
                "-" if process.get("cpu") is None else f"{process['cpu'] * 100:.0f}%",
                memory(process.get("memory")),
                _room(pool["in_use"], pool["size"], pool["waiting"]) if pool else "-",
                _lanes(process.get("lanes") or {}),
                f"{holder} {duration(pool['longest_holder_seconds'])}" if holder else "-",
                process["last_exit"] or "-",
            ),
            "" if process["state"] == "RUNNING" else "bad",
        ))  # fmt: skip
    return rows


def _lanes(lanes: Document) -> str:
    words = [
        f"{name} {_room(lane.get('in_use', 0), lane.get('size', 0), lane.get('waiting', 0))}"
        for name, lane in lanes.items()
    ]
    return ", ".join(words) or "-"


def _room(in_use: float, size: float, waiting: float) -> str:
    """Return how many places are taken, of how many, and how many calls wait for one."""
    return f"{in_use:.0f}/{size:.0f}" + (f" +{waiting:.0f}" if waiting else "")


def _method_rows(document: Document, sort: str) -> list[tuple[Sequence[str], Style]]:
    methods = sorted(document["calls"]["methods"], key=_ORDERS[sort])
    return [
        (
            (
                method["name"],
                f"{method['rate']:.1f}",
                seconds(method["p50"]),
                seconds(method["p99"]),
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


def _slow_statements(document: Document, most: int | None) -> list[Line]:
    lately = document["lately"]
    if not lately["statements"]:
        return []
    lines = [
        Line(""),
        Line(f"SLOW STATEMENTS, of the last {duration(lately['seconds'])}", "heading"),
    ]
    for one in lately["statements"][:most]:
        bound = one["longest_bucket"]
        words = f"longer than {SECONDS[-1]:g} s" if bound is None else f"up to {bound:g} s"
        lines.append(
            Line(
                f"{one['slow']:>6.0f}  {printable(one['name'])}: over {SLOW_STATEMENT * 1000:.0f} "
                f"ms, {words}; {duration(one['seconds'])} in all"
            )
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
    return [Line(""), *(table(_JOBS, rows, width) if rows else ()), idle]


def _state(job: Document) -> str:
    if job["started_at"] is not None:
        share = f" {100 * job['done'] / job['total']:.0f}%" if job["done"] and job["total"] else ""
        return f"running{share}"
    return "paused" if job["paused"] else "idle"


def _time(moment: Any) -> str:
    """Return the time of day of a moment, in UTC."""
    return f"{moment:%H:%M:%S}Z" if hasattr(moment, "strftime") else str(moment)[11:19] + "Z"
