"""`autogpt-db logs`: the service's records by what they are about, as they were or as they come."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from autogpt_db.cli import completing
from autogpt_db.cli.friendly import friendly
from autogpt_db.cli.printing import say

_LAST = 100
"""Records that are shown where nobody says how many, or since when."""
_AGO = re.compile(r"-?(\d{1,9})(s|m|h|d)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class _Moment(click.ParamType[datetime]):
    """A moment: so long ago, `today`, or as ISO 8601 has it, UTC where it doesn't say."""

    name = "when"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return the moment."""
        now = datetime.now(UTC)
        if value == "today":
            return now.replace(hour=0, minute=0, second=0, microsecond=0)
        try:
            if found := _AGO.fullmatch(value):
                return now - timedelta(**{_UNITS[found[2]]: int(found[1])})
            moment = datetime.fromisoformat(value)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is neither `15m` nor `today` nor `2026-01-31T12:00`.", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@click.command()
@click.option("-f", "--follow", is_flag=True, help="Go on, and print each record as it comes.")
@click.option(
    "--method",
    "methods",
    multiple=True,
    metavar="NAME",
    shell_complete=completing.methods,
    help="Only of this method; may be repeated, as those below.",
)
@click.option("--user", "users", multiple=True, metavar="ID", help="Only of this user.")
@click.option("--request", "requests", multiple=True, metavar="ID", help="Only of this request.")
@click.option("--trace", "traces", multiple=True, metavar="ID", help="Only of this trace.")
@click.option(
    "--process", "processes", multiple=True, metavar="NAME", help="Only of this process: api_00."
)
@click.option("--event", "events", multiple=True, metavar="NAME", help="Only of this kind.")
@click.option(
    "--level",
    type=click.Choice(["debug", "info", "warning", "error", "critical"]),
    help="Only of this level, and worse.",
)
@click.option(
    "--since",
    type=_Moment(),
    help="Only since then: 15m, 2h, 1d, today, or 2026-01-31T12:00 (UTC).",
)
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(0),
    metavar="NUMBER",
    help=f"So many of the last ones. Default: {_LAST}; all with --since.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object per line.")
@click.option(
    "--file",
    "file",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="Read this file of JSON lines, as the service writes them into a pipe, and not the "
    "journal; - for standard input.",
)
def logs(
    *,
    follow: bool,
    methods: tuple[str, ...],
    users: tuple[str, ...],
    requests: tuple[str, ...],
    traces: tuple[str, ...],
    processes: tuple[str, ...],
    events: tuple[str, ...],
    level: str | None,
    since: datetime | None,
    lines: int | None,
    as_json: bool,
    file: Path | None,
) -> None:
    """Show the service's records that are about something, from the journal or a file.

    What is given together must hold together. A request's record has its method, but no user: those
    of its user are found by its id, in the reply's header x-request-id.
    """
    with friendly():
        from autogpt_db.cli.log_sources import from_file, from_journal
        from autogpt_db.logs import records
        from autogpt_db.supervision.unit import UNIT

        given = {
            "method": methods,
            "user_id": users,
            "request_id": requests,
            "trace_id": traces,
            "process": processes,
            "event": events,
        }
        wanted = records.Wanted(
            {name: values for name, values in given.items() if values}, level, since
        )
        last = lines if lines is not None or since is not None else _LAST
        if file is None:
            _check_journal()
            found = from_journal(UNIT, wanted, lines=last, follow=follow)
        else:
            found = from_file(file, wanted, lines=last, follow=follow)
        show = records.as_json if as_json else records.as_text
        try:
            for record in found:
                say(show(record), exact=as_json)
        except KeyboardInterrupt:
            pass  # who follows ends it so


def _check_journal() -> None:
    from autogpt_db.errors import ConfigurationError
    from autogpt_db.supervision.unit import systemctl_show

    if shutil.which("journalctl") and systemctl_show("LoadState").get("LoadState") == "loaded":
        return
    raise ConfigurationError(
        "systemd doesn't run the service here, so its log is not in a journal. Say where it is: "
        "--file FILE, or - for standard input, as in: podman logs autogpt-db 2>&1 | autogpt-db "
        "logs --file -"
    )
