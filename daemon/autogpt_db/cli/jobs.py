"""`autogpt-db jobs`: the background jobs, as they wait, run and ended."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from autogpt_db.cli import completing
from autogpt_db.cli.friendly import friendly
from autogpt_db.cli.layout import SectionedGroup
from autogpt_db.cli.parameters import job as job_name
from autogpt_db.cli.parameters import seconds
from autogpt_db.cli.printing import say
from autogpt_db.cli.tables import duration, moment, shortened, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autogpt_db.cli.runtime import Loads
    from autogpt_db.worker.administration import Administration

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_LIMIT = click.option(
    "--limit",
    default=20,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="At most so many.",
)
_LOOK = 0.5
"""Seconds between two looks at a job that is waited for."""


@click.group(
    cls=SectionedGroup,
    sections={
        "Look": ("list", "history", "failed"),
        "Control": ("run", "pause", "resume", "requeue"),
    },
    context_settings={"help_option_names": ["-h", "--help"]},
)
def jobs() -> None:
    """Show and control the background jobs, on all hosts; the daemon need not run here."""


@jobs.command("list")
@_JSON
@click.pass_obj
def list_(sources: Loads, *, as_json: bool) -> None:
    """List the jobs: when they run, what they do now and how far they are, how the last run ended.

    Schedules are those of this host's configuration, in UTC.
    """
    from autogpt_db.worker.registry import discover
    from autogpt_db.worker.scheduling import schedule_of

    with friendly(), _opened(sources) as administration:
        settings = sources.load().settings
        rows = administration.overview()
        known = discover()
        for row in rows:
            row["schedule"] = schedule_of(settings, known[row["job"]]) or "on demand"
        if as_json:
            _print_json(rows)
            return
        columns = ("job", "schedule", "state", "progress", "last run (UTC)", "took", "outcome")
        lines = [
            (
                row["job"],
                row["schedule"],
                _state(row),
                _progress(row),
                moment(row["last_ended_at"]),
                duration(row["last_seconds"]),
                _outcome(row),
            )
            for row in rows
        ]
        for line in table(columns, lines):
            say(line)


@jobs.command()
@click.argument("job", callback=job_name, shell_complete=completing.jobs)
@click.option("--wait", is_flag=True, help="Wait for its end, showing progress; fail if it fails.")
@click.option(
    "--timeout",
    default=3600.0,
    callback=seconds,
    show_default=True,
    help="Seconds to wait at most.",
)
@click.pass_obj
def run(sources: Loads, job: str, *, wait: bool, timeout: float) -> None:
    """Ask for one run of JOB now; a worker of any host does it."""
    with friendly(), _opened(sources) as administration:
        job_id, new = administration.run(job)
        say(f"{job} is queued, number {job_id}" + ("" if new else " (it was already)"))
        if wait and not _wait_for(administration, job_id, timeout):
            sys.exit(1)


@jobs.command()
@click.argument("job", required=False, callback=job_name, shell_complete=completing.jobs)
@_LIMIT
@_JSON
@click.pass_obj
def history(sources: Loads, job: str | None, *, limit: int, as_json: bool) -> None:
    """Show the last runs, of JOB or of all; they are kept for 14 days."""
    with friendly(), _opened(sources) as administration:
        rows = administration.history(job, limit)
        if as_json:
            _print_json(rows)
            return
        columns = ("number", "job", "try", "started (UTC)", "took", "outcome", "what")
        lines = [
            (
                str(row["job_id"]),
                row["job"],
                str(row["attempt"]),
                moment(row["started_at"]),
                duration(row["seconds"]),
                row["outcome"],
                _what(row),
            )
            for row in rows
        ]
        for line in table(columns, lines):
            say(line)


@jobs.command()
@click.argument("job", callback=job_name, shell_complete=completing.jobs)
@click.pass_obj
def pause(sources: Loads, job: str) -> None:
    """Start no further run of JOB, on no host; one that runs goes on."""
    with friendly(), _opened(sources) as administration:
        new = administration.pause(job)
        say(f"{job} is paused" + ("" if new else " (it was already)"))


@jobs.command()
@click.argument("job", callback=job_name, shell_complete=completing.jobs)
@click.pass_obj
def resume(sources: Loads, job: str) -> None:
    """Start runs of JOB again."""
    with friendly(), _opened(sources) as administration:
        was = administration.resume(job)
        say(f"{job} runs again" if was else f"{job} was not paused")


@jobs.command()
@_LIMIT
@_JSON
@click.pass_obj
def failed(sources: Loads, *, limit: int, as_json: bool) -> None:
    """List the jobs that failed at every attempt."""
    with friendly(), _opened(sources) as administration:
        rows = administration.failed(limit)
        if as_json:
            _print_json(rows)
            return
        columns = ("number", "job", "tries", "failed (UTC)", "reason")
        lines = [
            (
                str(row["id"]),
                row["job"],
                str(row["attempts"]),
                moment(row["ended_at"]),
                shortened(row["reason"], 80),
            )
            for row in rows
        ]
        for line in table(columns, lines):
            say(line)


@jobs.command()
@click.argument("numbers", nargs=-1, type=int, metavar="[NUMBER]...")
@click.option("--all", "all_", is_flag=True, help="All that have failed, up to 10,000.")
@click.pass_obj
def requeue(sources: Loads, numbers: tuple[int, ...], *, all_: bool) -> None:
    """Give failed jobs all their attempts again; `jobs failed` shows their numbers."""
    if bool(numbers) == all_:
        raise click.UsageError("Say which: numbers, or --all.")
    with friendly(), _opened(sources) as administration:
        wanted = [row["id"] for row in administration.failed(10_000)] if all_ else numbers
        done = administration.requeue(wanted)
        say(f"{len(done)} queued again")
        left = [str(number) for number in wanted if number not in done]
        if left:
            say(
                f"{len(left)} left as they are, because they have not failed or another run of the "
                f"same job waits already: {', '.join(left[:20])}" + (" …" if len(left) > 20 else "")  # noqa: PLR2004 - shown
            )
            if not all_:
                sys.exit(1)


@contextmanager
def _opened(sources: Loads) -> Iterator[Administration]:
    from autogpt_db.cli.connecting import connect
    from autogpt_db.worker.administration import Administration
    from autogpt_db.worker.registry import discover

    connection, _ = connect(sources.load().settings, "jobs")
    with connection:
        yield Administration(connection, discover())


def _wait_for(administration: Administration, job_id: int, timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    said = ""
    while True:
        state = administration.state(job_id)
        if state["status"] not in {"todo", "doing"}:
            outcome = state.get("outcome") or state["status"]
            say(f"{outcome}: {_what(state)}" if state.get("outcome") else outcome)
            return bool(state["status"] == "succeeded")
        words = _progress(state)
        if words not in {"-", said}:
            said = words
            say(words)
        if time.monotonic() > deadline:
            say(f"number {job_id} has not ended within {timeout:g} s", error=True)
            return False
        time.sleep(_LOOK)


def _state(row: dict[str, Any]) -> str:
    words = []
    if row["process"]:
        words.append(f"running on {row['process']}")
    if row["waiting"]:
        words.append(f"{row['waiting']} waiting")
    if row["paused"]:
        words.append("paused")
    if row["failed"]:
        words.append(f"{row['failed']} failed")
    return ", ".join(words) or "idle"


def _progress(row: dict[str, Any]) -> str:
    if row.get("done") is None:
        return "-"
    words = f"{row['done']:,}"
    if row["total"]:
        words += f" of {row['total']:,} ({row['done'] / row['total']:.0%})"
    if row.get("rate"):
        words += f", {row['rate']:,.1f}/s"
    if row.get("remaining"):
        words += f", {duration(row['remaining'])} left"
    return words


def _outcome(row: dict[str, Any]) -> str:
    if row["last_outcome"] is None:
        return "-"
    if row["last_outcome"] == "succeeded":
        return "succeeded"
    return f"{row['last_outcome']}: {shortened(row['last_reason'])}"


def _what(row: dict[str, Any]) -> str:
    if row.get("reason"):
        return shortened(row["reason"], 80)
    if row.get("result"):
        return ", ".join(f"{name} {value}" for name, value in row["result"].items())
    return _progress(row)


def _print_json(rows: list[dict[str, Any]]) -> None:
    from autogpt_db.worker.administration import as_json

    say(as_json(rows))
