"""`autogpt-db events`: changes of executions and balances, as they were recorded.

It reads the log in the database, as other commands read what they show: so it needs no admin
listener, works while the daemon is down, and sees what all hosts have recorded.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click

from autogpt_db.cli.friendly import friendly
from autogpt_db.cli.printing import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from autogpt_db.cli.runtime import Loads
    from autogpt_db.live_events.reading import Event, Page, Position, Selection

_MOST = 10_000
"""Events that are shown at once; who follows gets any number."""
PAUSE = 0.5
"""Seconds between two looks of who follows."""
_SHOWN = (
    ("graph_execution_id", "run"),
    ("node_execution_id", "node execution"),
    ("user_id", "user"),
    ("organization_id", "organization"),
)


@click.command()
@click.option("-f", "--follow", is_flag=True, help="Go on, and print each event as it comes.")
@click.option("--user", metavar="ID", help="Only events of this user.")
@click.option("--graph", metavar="ID", help="Only events of this graph's executions.")
@click.option("--run", metavar="ID", help="Only events of this graph execution and its nodes.")
@click.option("--after", metavar="ID", help="All events behind the one with this id.")
@click.option(
    "--last",
    type=click.IntRange(0, _MOST),
    metavar="NUMBER",
    help="So many of the last ones. Default: 20; 0 with --follow.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object per line, with its id.")
@click.pass_obj
def events(
    sources: Loads,
    *,
    follow: bool,
    user: str | None,
    graph: str | None,
    run: str | None,
    after: str | None,
    last: int | None,
    as_json: bool,
) -> None:
    """Show changes of executions' statuses and of balances, where they are recorded.

    They are where events.enabled says so, and of what is written through this service alone.
    """
    if after is not None and last is not None:
        raise click.UsageError("--after and --last exclude each other.")
    with friendly():
        from autogpt_db.cli.connecting import connect
        from autogpt_db.errors import InvalidValueError
        from autogpt_db.live_events.reading import Position, Selection

        try:
            position = None if after is None else Position.of(after, "--after")
        except InvalidValueError as error:
            raise click.BadParameter(str(error)) from None
        settings = sources.load().settings
        if not settings.events.enabled:
            say("autogpt-db: events.enabled is false: nothing is recorded now.", error=True)
        wanted = Selection(user, graph, run)
        show = _as_json if as_json else _as_text
        number = last if last is not None else (0 if follow else 20)
        connection, target = connect(settings, "events")
        with connection:
            seen = None
            try:
                for page in _pages(
                    connection, target.schema, wanted, position, number, follow=follow
                ):
                    for event in page.events:
                        say(show(page, event), exact=as_json)
                    seen = page.end
            except KeyboardInterrupt:
                pass  # who follows ends it so
            finally:
                if seen is not None and (follow or not as_json):
                    say(f"What comes next: --after {seen}", error=True)


def _pages(
    connection: psycopg.Connection[Any],
    schema: str,
    wanted: Selection,
    position: Position | None,
    last: int,
    *,
    follow: bool,
) -> Iterator[Page]:
    """Yield what there is, and what comes, page by page.

    Args:
        connection: To the database, in autocommit mode.
        schema: The name of AutoGPT's schema there.
        wanted: Which events.
        position: Behind which one; None: the last ones.
        last: How many of those.
        follow: Whether to go on for ever.
    """
    from autogpt_db.live_events.reading import MOST, Page, in_schema, parameters
    from autogpt_db.live_events.statements import READ, READ_LAST

    if position is None:
        given = parameters(wanted, limit=last)
        rows = connection.execute(in_schema(READ_LAST, schema), given).fetchall()
        page = Page.of(rows, last)
        yield page
        position = page.horizon_position
        if not follow:
            return
    while True:
        given = parameters(wanted, position)
        rows = connection.execute(in_schema(READ, schema), given).fetchall()
        page = Page.of(rows, MOST)
        missing = page.lacks_before(position)
        if missing is not None:
            say(f"autogpt-db: events are missing: {missing}. All that is kept follows.", error=True)
            if position.history != page.history:
                position = page.beginning
                continue
        yield page
        position = page.end
        if page.is_last:
            if not follow:
                return
            time.sleep(PAUSE)


def _as_json(page: Page, event: Event) -> str:
    document = {"id": str(page.position(event)), "event": event.kind, **json.loads(event.document)}
    return json.dumps(document, ensure_ascii=False)


def _as_text(_page: Page, event: Event) -> str:
    told = json.loads(event.document)
    value = told.get("status", told.get("balance"))
    parts = [f"{label} {told[name]}" for name, label in _SHOWN if name in told]
    kind = event.kind.replace("_", " ")
    return f"{told['at']}  {kind:<15}  {value!s:<10}  {', '.join(parts)}"
