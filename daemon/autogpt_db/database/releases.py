"""AutoGPT's releases: what the schema of each has, which methods it calls, how to tell its age.

Facts only, from `releases.json` (written by tools/releases.py). What a database can do is never
decided by this: it is asked what it has. This says it in words, and for releases that aren't here.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from autogpt_db.database.catalogue import Catalogue, UniqueIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Release(NamedTuple):
    """A release of AutoGPT.

    Attributes:
        name: Its number.
        date: The day it came out.
        state: The state of the schema that it has; several may have the same.
    """

    name: str
    date: str
    state: str


RELEASES = (
    Release("0.6.48", "2026-02-11", "v0.6.48"),
    Release("0.6.49", "2026-02-26", "v0.6.50"),
    Release("0.6.50", "2026-03-04", "v0.6.50"),
    Release("0.6.51", "2026-03-12", "v0.6.51"),
    Release("0.6.52", "2026-03-20", "v0.6.53"),
    Release("0.6.53", "2026-03-25", "v0.6.53"),
    Release("0.6.54", "2026-04-09", "v0.6.54"),
    Release("0.6.55", "2026-04-15", "v0.6.55"),
    Release("0.6.56", "2026-04-15", "v0.6.55"),
    Release("0.6.57", "2026-04-22", "v0.6.57"),
    Release("0.6.58", "2026-04-29", "v0.6.58"),
    Release("0.6.59", "2026-05-07", "v0.6.59"),
    Release("0.6.60", "2026-05-20", "master-2026-05-20"),
    Release("0.6.61", "2026-05-20", "master-2026-05-20"),
    Release("0.6.62", "2026-06-09", "master-2026-06-09"),
    Release("0.6.63", "2026-06-09", "master-2026-06-09"),
    Release("0.6.64", "2026-06-17", "master-2026-06-17"),
    Release("0.6.65", "2026-06-17", "master-2026-06-17"),
    Release("0.6.66", "2026-06-17", "master-2026-06-17"),
    Release("0.6.67", "2026-07-15", "v0.6.68"),
    Release("0.6.68", "2026-07-17", "v0.6.68"),
    Release("0.6.69", "2026-07-22", "v0.6.68"),
    Release("0.6.70", "2026-07-29", "v0.6.70"),
    Release("0.7.0", "2026-08-05", "v0.7.0"),
    Release("0.7.1", "2026-08-12", "v0.7.1"),
    Release("0.7.2", "2026-08-20", "v0.7.2"),
)
"""Those that are known. v0.6.60 to v0.6.67 by the dates of their states: no tag could be had."""

# What a release was the first to have. The newest sign that a database shows tells its age.
_SIGNS: tuple[tuple[str, Callable[[Catalogue], bool]], ...] = (
    ("0.6.48", lambda has: has.has("AgentGraphExecution")),
    ("0.6.49", lambda has: has.has("LibraryAgent", "folderId")),
    ("0.6.51", lambda has: has.has("StoreAgent", "listing_version_id")),
    ("0.6.54", lambda has: has.has("User", "subscriptionTier")),
    ("0.6.55", lambda has: has.has("PlatformCostLog", "cacheReadTokens")),
    ("0.6.57", lambda has: has.has("PlatformLink")),
    ("0.6.58", lambda has: has.has("PushSubscription")),
    ("0.6.59", lambda has: "NO_TIER" in has.default_of("User", "subscriptionTier")),
    ("0.6.60", lambda has: has.has("ChatSession", "chatStatus")),
    ("0.6.62", lambda has: has.has("ChatSession", "isShared")),
    ("0.6.64", lambda has: "WORKSPACE_FILE" in has.labels.get("ContentType", ())),
    ("0.6.67", lambda has: has.has("OrgMember")),
    ("0.6.70", lambda has: has.has("LibraryAgent", "lastRunAt")),
    ("0.7.0", lambda has: has.has("UserAuthIdentity")),
    ("0.7.1", lambda has: has.has("UserBriefing")),
    ("0.7.2", lambda has: has.has("Expert", "podId")),
    ("0.7.3", lambda has: has.has("AlertCondition")),
)


class _Facts(msgspec.Struct):
    """`releases.json`: rows of names, and of the states that have it, from one on to another."""

    states: list[str]
    columns: list[tuple[str, str, str, str, bool, int, int]]
    labels: list[tuple[str, str, int, int]]
    unique: list[tuple[str, str, list[str] | None, int, int]]
    functions: list[tuple[str, int, int]]
    views: list[tuple[str, int, int]]
    methods: dict[str, tuple[str, str | None]]
    arguments: dict[str, dict[str, tuple[str, Any]]]


@cache
def _facts() -> _Facts:
    text = files("autogpt_db.database").joinpath("releases.json").read_bytes()
    return msgspec.json.decode(text, type=_Facts)


def find(name: str) -> Release | None:
    """Return the release with this number, with or without a `v` before it."""
    wanted = name.removeprefix("v")
    return next((release for release in RELEASES if release.name == wanted), None)


def looks_like(catalogue: Catalogue) -> str | None:
    """Return in words which release a database looks like; None where it is none of AutoGPT's."""
    shown = [place for place, (_, sign) in enumerate(_SIGNS) if sign(catalogue)]
    if not shown:
        return None
    first = _SIGNS[shown[-1]][0]
    if shown[-1] + 1 == len(_SIGNS):
        return f"v{first} or later"
    names = [release.name for release in RELEASES]
    following = _SIGNS[shown[-1] + 1][0]
    end = names.index(following) if following in names else len(names)
    last = names[end - 1]
    return f"v{first}" if last == first else f"v{first} to v{last}"


def newest_shown(catalogue: Catalogue) -> Release | None:
    """Return the newest release whose schema a database may have, as far as they are known."""
    words = looks_like(catalogue)
    if words is None:
        return None
    return find(words.rpartition(" ")[2]) or RELEASES[-1]


@cache
def catalogue_of(state: str) -> Catalogue:
    """Return what a state of the schema has, with every right.

    Args:
        state: A release's `state`.
    """
    facts = _facts()
    place = facts.states.index(state)
    columns: dict[str, dict[str, tuple[str, str]]] = {}
    required: dict[str, set[str]] = {}
    for table, name, kind, default, must, first, end in facts.columns:
        if first <= place < end:
            columns.setdefault(table, {})[name] = kind, default
            if must:
                required.setdefault(table, set()).add(name)
    labels: dict[str, tuple[str, ...]] = {}
    for enum, label, first, end in facts.labels:
        if first <= place < end:
            labels[enum] = (*labels.get(enum, ()), label)
    return Catalogue(
        columns=columns,
        required={table: frozenset(names) for table, names in required.items()},
        labels=labels,
        unique={
            name: UniqueIndex(table, None if keys is None else frozenset(keys))
            for name, table, keys, first, end in facts.unique
            if first <= place < end
        },
        functions={name: True for name, first, end in facts.functions if first <= place < end},
        views={name: True for name, first, end in facts.views if first <= place < end},
    )


@cache
def known_columns() -> Mapping[str, Mapping[str, str]]:
    """Return every column that a table or view has in any release, with its (last) type."""
    found: dict[str, dict[str, str]] = {}
    for table, name, kind, *_ in sorted(_facts().columns, key=lambda row: row[-1]):
        found.setdefault(table, {})[name] = kind
    return found


@cache
def known_labels() -> Mapping[str, frozenset[str]]:
    """Return every label that an enum has in any release."""
    found: dict[str, set[str]] = {}
    for enum, label, *_ in _facts().labels:
        found.setdefault(enum, set()).add(label)
    return {enum: frozenset(labels) for enum, labels in found.items()}


@cache
def methods_of(release: Release) -> tuple[str, ...]:
    """Return the methods that a release's DatabaseManager has, by name."""
    names = [each.name for each in RELEASES]
    place = names.index(release.name)
    return tuple(
        name
        for name, (first, end) in _facts().methods.items()
        if names.index(first) <= place and (end is None or place < names.index(end))
    )


def is_called(method: str, catalogue: Catalogue) -> bool:
    """Tell whether AutoGPT of a database's release calls a method, as far as anybody knows.

    What only later releases call cannot be missed there.
    """
    release = newest_shown(catalogue)
    return release is None or method not in _facts().methods or method in methods_of(release)


def first_release_of(method: str) -> str | None:
    """Return the number of the first release that has a method; None where none is known to."""
    found = _facts().methods.get(method)
    return found[0] if found else None


def arguments_of(method: str) -> Mapping[str, tuple[str, Any]]:
    """Return a method's optional arguments, as far as they are known.

    Each with the number of the first release that has it, and its default there.
    """
    return _facts().arguments.get(method, {})
