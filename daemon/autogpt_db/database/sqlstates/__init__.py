"""What each SQLSTATE of PostgreSQL's stands for: what is the matter, and what is made of it.

The one table of it: replies, the log, metrics and the documentation all take their words from here.
A code's own entry comes before its class's. PostgreSQL's appendix A lists the codes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from autogpt_db.database.sqlstates.declaration import Cause
from autogpt_db.database.sqlstates.no_repeat import NO_REPEAT
from autogpt_db.database.sqlstates.not_now import NOT_NOW, READ_ONLY
from autogpt_db.database.sqlstates.session_gone import SESSION_GONE
from autogpt_db.errors import DatabaseUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CAUSES", "OURS_MISSING", "READ_ONLY", "Cause", "cause_of", "cause_of_failed"]

_CLASS = 2

OURS_MISSING: Final = Cause(
    "ours_missing",
    (),
    "What is the service's own in the database (the schema autogpt_db) is incomplete",
    DatabaseUnavailableError,
    retry_after=5.0,
    remedy="`autogpt-db migrate` makes it anew.",
)
"""Of no code: the same ones, where a statement is about AutoGPT's tables, say something else."""

CAUSES: Final = (*NOT_NOW, *SESSION_GONE, OURS_MISSING, *NO_REPEAT)

# Not there, or of another kind: schema; table, column, function, type, unique index.
_MISSING: Final = ("3F000", "42")


def cause_of_failed(state: str, statement: str) -> Cause:
    """Return what it stands for that a statement failed with a SQLSTATE.

    Args:
        state: Its five characters.
        statement: The statement, with `platform` for AutoGPT's schema; "" where it isn't known.
    """
    cause = cause_of(state)
    ours_alone = "autogpt_db." in statement and "platform." not in statement
    if cause.failure is None and ours_alone and state.startswith(_MISSING):
        return OURS_MISSING
    return cause


def _by_state() -> Iterator[tuple[str, Cause]]:
    for cause in CAUSES:
        for state in cause.states:
            yield state, cause


_TABLE: Final = dict(_by_state())


@lru_cache(maxsize=512)
def cause_of(state: str) -> Cause:
    """Return what a SQLSTATE stands for.

    Args:
        state: Its five characters.
    """
    return _TABLE.get(state) or _TABLE.get(state[:_CLASS]) or _TABLE[""]
