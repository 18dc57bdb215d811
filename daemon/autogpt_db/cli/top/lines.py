"""What frames of `top` are made of: lines, tables, and figures in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from autogpt_db.cli.top.cells import cut, fit, width_of
from autogpt_db.metrics.families import SECONDS
from autogpt_db.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Style = Literal["", "title", "heading", "bad"]

_WIDEST = 40
"""Cells of a column, where the window has an end."""
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


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        title: What stands above it.
        right: Whether its cells stand at the right, as numbers do.
    """

    title: str
    right: bool = False


def table(
    columns: Sequence[Column], rows: Iterable[tuple[Sequence[str], Style]], width: int | None
) -> list[Line]:
    """Return a table as lines; columns are as wide as they must be.

    Args:
        columns: Its columns.
        rows: Their cells, of whatever origin, and how each row stands out.
        width: Cells of a line; None for no end, where nothing is cut.
    """
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


def seconds(value: float | None) -> str:
    """Return how long a call took, in a fitting unit."""
    if value is None:
        return "-"
    if value < _MILLI:
        return f"{value * 1e6:.0f} µs"
    if value < 1:
        return f"{value * 1e3:.1f} ms"
    return f"{value:.2f} s" if value < SECONDS[-1] else f"{SECONDS[-1]:g}+ s"


def memory(value: float | None) -> str:
    """Return bytes in mebibytes."""
    return "-" if value is None else f"{value / _MEBIBYTE:.0f} MiB"
