"""Names and texts as parts of SQL's text, whatever is in them."""

from __future__ import annotations


def quoted(identifier: str) -> str:
    """Return an identifier in quotes."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(value: str) -> str:
    """Return a text in quotes."""
    return "'" + value.replace("'", "''") + "'"
