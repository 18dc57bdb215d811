"""Whether a database has what methods need, and naming all that is missing.

What is needed is read off the methods' own statements, so there is one source for it. Whatever
else a release of AutoGPT has added, or taken away, is none of our business.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypedDict

import msgspec

from autogpt_db.database.capabilities import Capabilities
from autogpt_db.database.catalogue import READ, Catalogue
from autogpt_db.database.releases import is_called, looks_like
from autogpt_db.errors import SchemaError
from autogpt_db.logs.events import database as log

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    import psycopg

    from autogpt_db.database.needs import Lack, Needs

_NAMED = 5
"""Methods that are named for one thing that is missing; the others are counted."""


@dataclass(frozen=True, slots=True)
class Needed:
    """What a program needs of a database.

    Attributes:
        of: Returns the needs of each method on a database with such capabilities, by name.
        essential: Methods without which nobody's agents run: their needs have to be there.
        spared: Tables that some methods do without, and then answer less.
    """

    of: Callable[[Capabilities], Mapping[str, Needs]]
    essential: Collection[str]
    spared: Collection[str] = ()

    def ours(self) -> frozenset[str]:
        """Return what of ours the essential methods use, whatever the database has."""
        found = self.of(Capabilities.of(Catalogue()))
        return frozenset().union(*(found[method].ours for method in self.essential))

    def lacks(self, catalogue: Catalogue, schema_name: str) -> dict[str, tuple[Lack, ...]]:
        """Return the methods that a database cannot serve, and what each lacks.

        Args:
            catalogue: What the database has.
            schema_name: The schema's name, for the remedies.
        """
        return {
            method: lacks
            for method, needs in self.of(Capabilities.of(catalogue)).items()
            if (lacks := needs.lacks(catalogue, schema_name))
        }


def read_catalogue(connection: psycopg.Connection[Any], schema_name: str) -> Catalogue:
    """Return what a schema has, and what we may do with it."""
    place = '"' + schema_name.replace('"', '""') + '"'
    row = connection.execute(READ, {"schema": place}).fetchone()
    assert row is not None, "a SELECT without FROM has one row"
    # What is ours is made after this, and proven by itself.
    return replace(msgspec.convert(row[0], Catalogue), our_functions=None)


def verify(
    connection: psycopg.Connection[Any],
    schema_name: str,
    needed: Needed,
) -> None:
    """Check that a database serves AutoGPT's runs; warn of the methods that it cannot serve.

    Raises:
        SchemaError: It doesn't; names everything that is missing, in one message.
    """
    catalogue = read_catalogue(connection, schema_name)
    lacks = needed.lacks(catalogue, schema_name)
    fatal = {method: found for method, found in lacks.items() if method in needed.essential}
    if fatal:
        raise SchemaError(_refusal(catalogue, schema_name, fatal))
    missed = {method: found for method, found in lacks.items() if is_called(method, catalogue)}
    if missed:
        log.methods_not_served(
            methods=sorted(missed),
            release=looks_like(catalogue),
            **told(missed.values()),
        )
    later = sorted(lacks.keys() - missed)
    if later:
        log.methods_of_later_releases(methods=later, release=looks_like(catalogue))
    spared = sorted(table for table in needed.spared if not catalogue.has(table))
    if spared:
        log.schema_partly_there(
            missing=spared,
            remedy="install pgvector for the server's PostgreSQL, where its distribution has it "
            "(Debian 12 has none for 15; apt.postgresql.org does), and restart, or run AutoGPT's "
            "migrations; store search does without until then",
        )


class Told(TypedDict):
    """What is lacking, as fields of an event.

    Attributes:
        missing: What is missing, in words, each once.
        remedy: What to do about it.
    """

    missing: list[str]
    remedy: str


def told(lacks: Iterable[tuple[Lack, ...]]) -> Told:
    """Return what methods lack as the fields of an event: what is missing, and the remedy."""
    each = {lack.what: lack for found in lacks for lack in found}
    remedies = sorted({lack.remedy for lack in each.values() if lack.remedy})
    if any(not lack.remedy for lack in each.values()):
        remedies.append(
            "AutoGPT's own migrations make the rest, where your release of AutoGPT has it; "
            "api.fallback_url passes the calls on until then"
        )
    return {"missing": sorted(each), "remedy": " ".join(remedies)}


def _refusal(catalogue: Catalogue, schema_name: str, fatal: Mapping[str, tuple[Lack, ...]]) -> str:
    each: dict[Lack, list[str]] = {}
    for method, lacks in sorted(fatal.items()):
        for lack in lacks:
            each.setdefault(lack, []).append(method)
    listed = "; ".join(f"{lack.what} (for {some(methods)})" for lack, methods in each.items())
    grants = [lack.remedy for lack in each if lack.remedy]
    if all(lack.right for lack in each):
        return (
            f"The role {catalogue.role!r} may not do what AutoGPT's runs need in the schema "
            f"{schema_name!r}: {listed}. Mend it as the owner of AutoGPT's tables: "
            f"{' '.join(grants)} Nothing has been changed."
        )
    release = looks_like(catalogue)
    words = f"It looks like that of AutoGPT {release}" if release else "It looks like none of them"
    return (
        f"The schema {schema_name!r} lacks what AutoGPT's runs need: {listed}. {words}; "
        "v0.6.48 and later are served. Run AutoGPT's own migrations to their end, or name the "
        "right schema in DATABASE_URL (?schema=platform). Nothing has been changed."
    )


def some(methods: Sequence[str]) -> str:
    """List methods, but not more than can be read."""
    if len(methods) <= _NAMED:
        return ", ".join(methods)
    return f"{', '.join(methods[:_NAMED])} and {len(methods) - _NAMED} more"
