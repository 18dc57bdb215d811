"""Whether a database has what methods need, and naming all that is missing.

What is needed is read off the methods' own statements, so there is one source for it. Whatever
else a release of AutoGPT has added, or taken away, is none of our business.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypedDict

import msgspec

from autogpt_db.database.capabilities import Capabilities
from autogpt_db.database.catalogue import Catalogue
from autogpt_db.database.catalogue_statement import READ
from autogpt_db.database.quoting import quoted

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
    place = quoted(schema_name)
    row = connection.execute(READ, {"schema": place}).fetchone()
    assert row is not None, "a SELECT without FROM has one row"
    # What is ours is made after this, and proven by itself.
    return replace(msgspec.convert(row[0], Catalogue), our_functions=None)


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


def some(methods: Sequence[str]) -> str:
    """List methods, but not more than can be read."""
    if len(methods) <= _NAMED:
        return ", ".join(methods)
    return f"{', '.join(methods[:_NAMED])} and {len(methods) - _NAMED} more"
