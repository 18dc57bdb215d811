"""A row of the matrix: how a case breaks a database, and how the service takes it."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from autogpt_db.database import troubles

if TYPE_CHECKING:
    from autogpt_db.database.troubles import Trouble


class Verdict(Enum):
    """How the service takes a case."""

    BORNE = "borne"
    """Every call answers as usual, and nothing has to be mended."""
    MENDED = "mended"
    """A start makes it anew by itself, and says so."""
    NARROWED = "narrowed"
    """READY; methods that lack something are no methods, and named with what mends it."""
    REFUSED = "refused"
    """A start ends with 78, and says what mends it."""
    AWAITED = "awaited"
    """A start isn't READY, and STATUS says for what it waits."""
    TROUBLED = "troubled"
    """A running service isn't ready, calls fail in order, and doctor says what mends it."""


Pair = tuple[Verdict | None, Verdict | None]
"""How a start, and then a running service, takes a case; None: it cannot come to that."""


class Case(NamedTuple):
    """One row of the matrix.

    Attributes:
        name: What is the matter.
        kind: What sort of thing it is; the small matrix has some of each.
        breaks: Statements of a superuser; `{role}` and `{database}` are the case's.
        direct: How a start, and then a running service, takes it.
        pooled: The same where only a transaction pooler is known.
        said: What must be among what an operator is told; "" where nothing has to be.
        theirs: What AutoGPT's own migrations do, where the remedy is to run them.
        meant: What an operator puts for "…" in a remedy.
        elsewhere: Whether the statements are sent from another database, without its sessions.
        renamed: The database's name afterwards.
        encoding: What the database is encoded in instead of UTF8.
        places: Connections that others leave on the server; None: they have none.
        proves: The trouble whose line of doctor, and whose remedy, the case is about.
    """

    name: str
    kind: str
    breaks: str
    direct: Pair
    pooled: Pair
    said: str = ""
    theirs: str = ""
    meant: str = ""
    elsewhere: bool = False
    renamed: str = "{database}"
    encoding: str = ""
    places: int | None = None
    proves: Trouble | None = None


B, M, N, R, A, T = Verdict
BORNE, REFUSED, READ_ONLY = (B, B), (R, T), (A, T)
AWAITED = READ_ONLY
DATABASE, ROLE = 'DATABASE "{database}"', "ROLE {role}"
BOTH = 'ROLE {role} IN DATABASE "{database}"'


KEPT_BY_POOLER = ("DateStyle", "TimeZone", "standard_conforming_strings")
"""What PgBouncer gives to each session that it hands on as its client had it when it came."""


def setting(assignment: str, of: str = DATABASE, *, said: str = "") -> Case:
    """Return the case of a setting: sessions of our own replace it, a pooler's cannot.

    Args:
        assignment: `name TO value`.
        of: What it is set for.
        said: What is told behind a pooler; "" where it does no harm there either.
    """
    whose = {DATABASE: "the database", ROLE: "the role", BOTH: "the role there"}[of]
    kept = assignment.partition(" ")[0] in KEPT_BY_POOLER
    return Case(
        f"{assignment} for {whose}",
        "setting",
        f"ALTER {of} SET {assignment}",
        BORNE,
        ((R, B) if kept else REFUSED) if said else BORNE,
        said,
        proves=troubles.SETTINGS_UNBEARABLE if said else None,
    )


def right(name: str, breaks: str, verdict: Pair, said: str, proves: Trouble | None = None) -> Case:
    """Return the case of a right that is missing: a pooler changes nothing about it."""
    return Case(name, "right", breaks, verdict, verdict, said, proves=proves)


def ours(
    name: str,
    breaks: str,
    running: Verdict,
    said: str,
    proves: Trouble | None = troubles.OURS_DIFFER,
) -> Case:
    """Return the case of something of our own that a start makes anew, or opens."""
    verdict = M, running
    return Case(name, "ours", breaks, verdict, verdict, said, proves=proves)


def missing(name: str, verdict: Pair, thing: str, new: str, said: str) -> Case:
    """Return the case of something of AutoGPT's that is not there, under that name at least."""
    kind, _, named = thing.partition(" ")
    place, _, last = named.rpartition(".")
    return Case(
        name,
        "missing",
        f"ALTER {thing} RENAME TO {new}",
        verdict,
        verdict,
        said,
        theirs=f"ALTER {kind} {place}.{new} RENAME TO {last}",
    )
