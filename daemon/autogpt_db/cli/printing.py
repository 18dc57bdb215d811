"""What the command line prints: a person's terminal shows it, and never obeys it."""

from __future__ import annotations

import errno
import os
import sys

import click

from autogpt_db.printable import printable


def say(text: object, *, error: bool = False, exact: bool = False) -> None:
    """Print a text of one or more lines, of whatever origin.

    Args:
        text: What to print, without its last line feed.
        error: On stderr instead of stdout.
        exact: A value that a script may want: as it is, unless a terminal would obey it.
    """
    stream = sys.stderr if error else sys.stdout
    shown = str(text) if exact and not stream.isatty() else printable(str(text), lines=True)
    try:
        click.echo(shown, err=error)  # noqa: TID251 - the one place
    except OSError as failure:
        if failure.errno == errno.EPIPE or error:
            raise  # click ends a command whose reader has gone
        # What is still buffered would fail once more at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        say(f"autogpt-db: the output cannot be written: {failure.strerror}.", error=True)
        sys.exit(1)
