"""What commands take that click's own types let through."""

from __future__ import annotations

import re

import click

from autogpt_db.cli.near import did_you_mean

_LONGEST = 7 * 86400.0
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


def seconds(_context: click.Context, _parameter: click.Parameter, value: float) -> float:
    """Return a time to wait, unless no clock can count to it.

    Raises:
        BadParameter: It is 0, below, `nan`, or longer than anybody waits.
    """
    if not 0 < value <= _LONGEST:
        raise click.BadParameter(f"{value:g} is no number of seconds above 0, up to {_LONGEST:g}.")
    return value


def idempotency_key(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> str | None:
    """Return a call's key, if the service takes such a one.

    Raises:
        BadParameter: It doesn't.
    """
    if value is not None and not _KEY.fullmatch(value):
        raise click.BadParameter(f"{value!r} is not 1 to 255 visible ASCII characters.")
    return value


def job(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Return the name of a background job, if there is such a one.

    Raises:
        UsageError: There is none.
    """
    from autogpt_db.worker.registry import discover

    if value is not None and value not in discover():
        hint = did_you_mean(value, discover(), otherwise="`autogpt-db jobs list` lists them.")
        raise click.UsageError(f"There is no job {value}. {hint}")
    return value


def release(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Return the number of a release of AutoGPT's, if it is one that is known.

    Raises:
        BadParameter: It isn't.
    """
    from autogpt_db.database.releases import RELEASES, find

    if value is not None and find(value) is None:
        known = f"{RELEASES[0].name} to {RELEASES[-1].name}"
        raise click.BadParameter(f"{value!r} is none of the releases known: {known}.")
    return value
