"""Which methods of AutoGPT's releases are served, on a database of theirs or on the one at hand."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Literal, NamedTuple

from autogpt_db.database.releases import (
    RELEASES,
    arguments_of,
    catalogue_of,
    is_called,
    looks_like,
    methods_of,
    newest_shown,
)
from autogpt_db.operations.discovery import load_operations
from autogpt_db.operations.needed import needed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from autogpt_db.database.catalogue import Catalogue
    from autogpt_db.database.releases import Release

Served = Literal["served", "passed on", "not there"]


def coverage(release: Release) -> Mapping[str, Served]:
    """Return what becomes of every known method on a database of a release, by name.

    `served` here; `passed on` to AutoGPT's own service, or 404 without one; `not there`: that
    release has no such method.
    """
    called = set(methods_of(release))
    lacking = _lacking(release.state)
    ours = load_operations().keys()
    return {
        method: "not there"
        if method not in called
        else ("served" if method in ours and method not in lacking else "passed on")
        for method in all_methods()
    }


def first_release_with(method: str) -> Release:
    """Return the first release whose database has all that a method of ours needs.

    Args:
        method: The method.

    Raises:
        LookupError: No known release has it.
    """
    for release in RELEASES:
        if method not in _lacking(release.state):
            return release
    raise LookupError(f"{method}: no known release of AutoGPT has all that it needs.")


@cache
def all_methods() -> tuple[str, ...]:
    """Return every method that any known release has, by name."""
    return tuple(sorted({method for release in RELEASES for method in methods_of(release)}))


@cache
def _lacking(state: str) -> frozenset[str]:
    return frozenset(needed().lacks(catalogue_of(state), "platform"))


class AtHand(NamedTuple):
    """The database at hand, as seen by AutoGPT's releases.

    Attributes:
        looks_like: The release in words; None where it is none.
        release: The newest that it may be of.
        served: Methods of that release that are served.
        others: Methods of that release that are not.
        lacking: Methods of ours for which the database lacks something, and what, in words.
        later: Those of them that only later releases call: nobody misses them here.
    """

    looks_like: str | None
    release: Release | None
    served: tuple[str, ...]
    others: tuple[str, ...]
    lacking: Mapping[str, str]
    later: frozenset[str]

    @property
    def missed(self) -> Mapping[str, str]:
        """Return what methods lack that AutoGPT of this release calls."""
        return {name: what for name, what in self.lacking.items() if name not in self.later}

    @property
    def sentence(self) -> str:
        """Say it shortly."""
        if self.release is None:
            return "the database looks like none of AutoGPT's releases"
        number = len(self.served) + len(self.others)
        return (
            f"the database looks like AutoGPT {self.looks_like}; of the {number} methods of "
            f"v{self.release.name}'s DatabaseManager {len(self.served)} are served here"
        )


def at_hand(catalogue: Catalogue, schema_name: str) -> AtHand:
    """Compare the database at hand with AutoGPT's releases.

    Args:
        catalogue: What it has.
        schema_name: Its schema's name.
    """
    lacks = needed().lacks(catalogue, schema_name)
    release = newest_shown(catalogue)
    called = methods_of(release) if release is not None else ()
    ours = load_operations().keys() - lacks.keys()
    return AtHand(
        looks_like(catalogue),
        release,
        tuple(method for method in called if method in ours),
        tuple(method for method in called if method not in ours),
        {
            method: ", ".join(
                f"{lack.what} ({lack.remedy})" if lack.remedy else lack.what for lack in found
            )
            for method, found in sorted(lacks.items())
        },
        frozenset(method for method in lacks if not is_called(method, catalogue)),
    )


def arguments_elsewhere() -> Iterator[tuple[str, str, str, object]]:
    """Yield arguments of served methods that aren't honoured.

    Each as method, argument, the first release that has it, and the value that asks for nothing.
    """
    for method, operation in load_operations().items():
        known = {parameter.name for parameter in operation.parameters}
        for argument, (since, default) in arguments_of(method).items():
            if argument not in known:
                yield method, argument, since, default
