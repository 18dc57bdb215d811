"""How wide text is on a terminal, and text made as wide as its place."""

from __future__ import annotations

import unicodedata

from autogpt_db.printable import printable

_WIDE = frozenset("WF")
_NO_WIDTH = frozenset({"Mn", "Me", "Cf"})


def width_of(text: str) -> int:
    """Return how many cells a printable text takes."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Return a text in exactly `width` cells: printable, filled with blanks or cut.

    Args:
        text: Of whatever origin.
        width: At least 0.
        right: Whether it stands at the right.
    """
    shown = cut(printable(text), width)
    blanks = " " * (width - width_of(shown))
    return blanks + shown if right else shown + blanks


def cut(text: str, width: int) -> str:
    """Return as much of a printable text as `width` cells hold; an ellipsis stands for the rest."""
    if width_of(text) <= width:
        return text
    kept = ""
    room = width - 1
    for character in text:
        room -= _cells(character)
        if room < 0:
            break
        kept += character
    return f"{kept}…"[:width] if width else ""


def _cells(character: str) -> int:
    if unicodedata.category(character) in _NO_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(character) in _WIDE else 1
