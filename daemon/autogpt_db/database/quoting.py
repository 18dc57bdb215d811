"""Names in SQL, quoted: as they are, whatever is in them."""

from __future__ import annotations


def quoted(identifier: str) -> str:
    """Return a name as SQL's text has it."""
    return '"' + identifier.replace('"', '""') + '"'
