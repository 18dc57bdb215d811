"""Where our answers to recorded calls differ: on purpose, and not yet mended.

What differs on purpose is decided in docs/reference/compatibility.md, and each entry here says what
we answer instead. What is open must only become less: a call that is answered as recorded has to
leave the list.
"""

from __future__ import annotations

from typing import NamedTuple


class Instead(NamedTuple):
    """What is answered on purpose in place of what was recorded.

    Attributes:
        reason: Why.
        status: The status, where that differs.
        error: The error's type, where there is one.
        unordered: Whether only the order of lists differs.
        added: Members, anywhere in the reply, that the recorded one lacks; all else is equal.
    """

    reason: str
    status: int = 200
    error: str | None = None
    unordered: bool = False
    added: frozenset[str] = frozenset()


OWNER = Instead(
    "clients up to v0.6.50 require the owner, later ones ignore it",
    added=frozenset({"owner_user_id"}),
)

TIED = Instead("rows of one moment, and those without it, have no order", unordered=True)
OLD_NAMES = Instead(
    "clients up to v0.6.50 require the graph under its old names, later ones ignore them",
    added=frozenset({"agentGraphId", "agentGraphVersions"}),
)

INSTEAD: dict[str, dict[int, Instead]] = {
    "v0.6.68": {
        5: TIED,
        **dict.fromkeys((60, 61, 62, 63, 64, 65, 67), OWNER),
        73: OLD_NAMES,
    },
    "v0.7.2": dict.fromkeys((221, 256, 257), OWNER),
}
"""By state and the call's number in calls.json."""

OPEN: dict[str, frozenset[int]] = {
    "v0.6.68": frozenset(),
    "v0.7.2": frozenset(),
}
"""Calls of methods served here that are not yet answered as recorded."""
