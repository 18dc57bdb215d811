"""What each method needs, as it was read off their statements when this version was made.

Main proves a database before it starts anything, and serves no method itself: to load all of them
for that would be a third of its start, and of its memory. `methods.json`, which `make reference`
writes, has for each the keys of its statements' texts on the databases of all known releases;
what these need is beside it, in `needs.json`.
"""

from __future__ import annotations

from dataclasses import fields
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

import msgspec

from autogpt_db.database.needs import Needs
from autogpt_db.database.schema import Needed
from autogpt_db.statements.remembered import remembered

if TYPE_CHECKING:
    from collections.abc import Callable

    from autogpt_db.database.capabilities import Capabilities


class Method(msgspec.Struct, omit_defaults=True, frozen=True):
    """A method's entry.

    Attributes:
        texts: The key of its statements' texts for each of the file's capabilities, in their
            order; one alone where it is the same for all.
        spares: Tables that it does without.
        labels: Enums and labels that its arguments name.
    """

    texts: tuple[str, ...]
    spares: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()

    def needs(self, place: int) -> Needs | None:
        """Return what it needs; None where that isn't remembered.

        Args:
            place: Of the capabilities in the file.
        """
        found = remembered(self.texts[place if len(self.texts) > 1 else 0])
        if found is None:
            return None
        return found.without(self.spares) | Needs(labels=frozenset(self.labels))


class Methods(msgspec.Struct, frozen=True):
    """The file.

    Attributes:
        capabilities: What the databases of the known releases have, as `words_of` says it.
        essential: Methods without which nobody's agents run.
        methods: All of them, by name.
    """

    capabilities: tuple[str, ...]
    essential: frozenset[str]
    methods: dict[str, Method]


def words_of(capabilities: Capabilities) -> str:
    """Return the names of what a database has, in the order of their declaration."""
    names = (each.name for each in fields(capabilities))
    return " ".join(name for name in names if getattr(capabilities, name))


def needed_by_methods(load: Callable[[], Needed]) -> Needed:
    """Return what all methods need, without loading them where it is remembered.

    Args:
        load: Loads them, for a database that is like none of the known releases'.
    """
    content = files("autogpt_db.statements").joinpath("methods.json").read_bytes()
    written = msgspec.json.decode(content, type=Methods)

    @lru_cache(maxsize=1)
    def of(capabilities: Capabilities) -> dict[str, Needs]:
        words = words_of(capabilities)
        if words in written.capabilities:
            place = written.capabilities.index(words)
            found = {name: method.needs(place) for name, method in written.methods.items()}
            known = {name: needs for name, needs in found.items() if needs is not None}
            if known.keys() == found.keys():
                return known
        return dict(load().of(capabilities))

    spared = frozenset(table for method in written.methods.values() for table in method.spares)
    return Needed(of, written.essential, spared)
