"""What commands take that click's own types let through."""

from __future__ import annotations

import re

import click

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
