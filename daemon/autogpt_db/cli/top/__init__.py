"""`autogpt-db top`: what the daemon does now, in a terminal that is drawn anew, or for a script."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import click

from autogpt_db.cli.friendly import friendly
from autogpt_db.cli.printing import say
from autogpt_db.cli.runtime import runtime_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autogpt_db.cli.runtime import Loads
    from autogpt_db.cli.top.figures import Document, Figures
    from autogpt_db.cli.top.queue import Queue

__all__ = ["top"]

_SORTS = ("calls", "p99", "errors", "name")


@click.command()
@click.option("--once", is_flag=True, help="Look once, over one interval, and end.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object per line.")
@click.option(
    "--interval",
    type=click.FloatRange(0.2, 3600),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="Seconds between two looks, which rates and durations are over.",
)
@click.option(
    "--sort",
    type=click.Choice(_SORTS),
    default=_SORTS[0],
    show_default=True,
    help="What methods are sorted by.",
)
@click.pass_obj
def top(sources: Loads, *, once: bool, as_json: bool, interval: float, sort: str) -> None:
    """Show what the daemon does, live: processes, pools, calls, durations, errors, jobs.

    Keys: q ends it, s sorts methods by something else. Into a pipe or a file it writes plain text,
    look after look. It needs no admin listener, and costs the service nothing while nobody runs it.
    Without a way to the database all but the jobs is shown.
    """
    with friendly():
        from autogpt_db.cli.top.figures import Figures
        from autogpt_db.cli.top.queue import Queue

        figures = Figures(runtime_of(sources))
        first = figures.look(lasting=True)
        queue = Queue(lambda: sources.load().settings)
        if not (once or as_json) and _is_terminal():
            from autogpt_db.cli.top.watching import watch

            watch(figures, queue, first, interval=interval, sorts=_from(sort))
            return
        try:
            for document in _looks(figures, queue, interval, once=once):
                _print(document, sort, as_json=as_json)
        except KeyboardInterrupt:
            pass  # who follows ends it so
        finally:
            queue.close()


def _from(sort: str) -> tuple[str, ...]:
    place = _SORTS.index(sort)
    return _SORTS[place:] + _SORTS[:place]


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _looks(figures: Figures, queue: Queue, interval: float, *, once: bool) -> Iterator[Document]:
    import time

    while True:
        time.sleep(interval)
        if once:
            yield figures.look(lasting=True) | {"queue": queue.look()}
            return
        yield figures.look() | {"queue": queue.look()}


def _print(document: Document, sort: str, *, as_json: bool) -> None:
    if as_json:
        say(json.dumps(document, default=lambda moment: moment.isoformat()), exact=True)
        return
    from autogpt_db.cli.top.drawing import frame

    width = os.get_terminal_size(sys.stdout.fileno()).columns if sys.stdout.isatty() else None
    for line in frame(document, sort, width=width or None):
        say(line.text.rstrip())
    say("")
