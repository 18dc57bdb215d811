"""Tables that a person can read."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from autogpt_db.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table; its columns are as wide as they must be."""
    lines = [tuple(columns), *(tuple(map(printable, row)) for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(columns))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        yield "  ".join(cells).rstrip()


def duration(seconds: float | None) -> str:
    """Return a length of time in its two largest units."""
    if seconds is None:
        return "-"
    if seconds < 10:  # noqa: PLR2004 - below, a fraction matters
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def moment(value: dt.datetime | None) -> str:
    """Return a moment in UTC, to the second."""
    if value is None:
        return "-"
    if value.tzinfo is not None:
        value = value.astimezone(dt.UTC)
    return value.strftime("%Y-%m-%d %H:%M:%S")


def moment_of(text: str | None) -> str:
    """Return a moment of a reply's, ISO 8601, in UTC, to the second."""
    try:
        return moment(None if text is None else dt.datetime.fromisoformat(text))
    except ValueError:  # PostgreSQL knows years beyond 9999
        return text or "-"


def shortened(text: str | None, length: int = 60) -> str:
    """Return the first line of a text, cut where it is longer than `length`."""
    line = (text or "-").partition("\n")[0]
    return line if len(line) <= length else line[: length - 1] + "…"
