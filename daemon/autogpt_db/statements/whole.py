"""Whether a text is a statement: all that a start has to know of one which is remembered."""

from __future__ import annotations

QUERIES = frozenset({"SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "VALUES"})
"""The words that a query begins with."""

_BEGINNINGS = tuple(QUERIES)


def is_whole(text: str) -> bool:
    """Tell whether a text is a whole statement, and not a part of one."""
    if not text.lstrip().startswith(_BEGINNINGS):
        return False
    words = text.split()
    return (
        (len(words) > 2 or text.rstrip().endswith(")"))  # noqa: PLR2004 - more than a beginning
        and words[0] in QUERIES
        and text.count("(") == text.count(")")
        and words[-1] not in {"FROM", "WHERE", "AND", ","}
    )
