"""The page on AutoGPT's releases: which methods are served, which arguments are not honoured."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tools.reference import NOTICE

from autogpt_db.database.releases import RELEASES, first_release_of, methods_of
from autogpt_db.operations import load_operations
from autogpt_db.operations.coverage import all_methods, arguments_elsewhere, coverage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autogpt_db.database.releases import Release

_MARKS = {"served": "●", "passed on": "→", "not there": ""}

_INTRODUCTION = """\
The service is asked by AutoGPT's processes of one release and works on the database of one; both
may be of any release from v0.6.48 on. It asks the database what it has, never for its version.

A method is served where the database has what its statements need. Any other is passed on to
AutoGPT's own `DatabaseManager` where `api.fallback_url` is set, and answers 404 where it isn't.
`autogpt-db methods --release 0.6.59` prints a column of this table, `autogpt-db doctor` says which
release a database looks like.

- ● served
- → passed on, or 404
- (empty) that release has no such method

v0.6.60 to v0.6.67 stand for dated states of AutoGPT's source; what is later than the last column
is told apart by what it has, and served as far as it goes."""


_ARGUMENTS = (
    "A call that gives one of these another value is passed on, or answered with 422 that names "
    "it; so is one with an argument that no release is known to have, unless it is null."
)

_ALL_HONOURED = (
    "None: every argument that a known release gives to a method served here is honoured. A call "
    "with any other is passed on, or answered with 422 that names it, unless the argument is null."
)
_CONDITIONAL = (
    "These are honoured only where the database has a place for them; elsewhere such a call is "
    "passed on, or answered with 422, and with 503 as long as AutoGPT's migrations run:"
)


def releases_page() -> Iterator[str]:
    """Yield the page's lines."""
    columns = list(_columns(RELEASES))
    found = [coverage(release) for _, release in columns]
    yield from ("# AutoGPT's releases", "", NOTICE, "", *_INTRODUCTION.splitlines(), "")
    yield from ("## Methods", "")
    yield "| method | since | " + " | ".join(words for words, _ in columns) + " |"
    yield "|---|---|" + "---|" * len(columns)
    for method in all_methods():
        marks = " | ".join(_MARKS[one[method]] for one in found)
        yield f"| `{method}` | {first_release_of(method)} | {marks} |"
    served = [sum(state == "served" for state in one.values()) for one in found]
    called = [sum(state != "not there" for state in one.values()) for one in found]
    counts = (f"{a} of {b}" for a, b in zip(served, called, strict=True))
    yield f"| **served** | | {' | '.join(counts)} |"
    yield from ("", "## Arguments that are not honoured", "")
    elsewhere = [
        f"| `{method}` | `{argument}` | {since} | `{json.dumps(default)}` |"
        for method, argument, since, default in arguments_elsewhere()
    ]
    if elsewhere:
        yield from (_ARGUMENTS, "", "| method | argument | since | asks for nothing |")
        yield from ("|---|---|---|---|", *elsewhere)
    else:
        yield _ALL_HONOURED
    yield from ("", _CONDITIONAL, "")
    for method, argument in _conditional():
        yield f"- `{method}`: `{argument}`"


def _columns(releases: tuple[Release, ...]) -> Iterator[tuple[str, Release]]:
    """Yield a heading for each run of releases with the same methods and schema, and the last."""
    group: list[Release] = []
    for release in (*releases, None):
        same = (
            group
            and release is not None
            and ((release.state, methods_of(release)) == (group[-1].state, methods_of(group[-1])))
        )
        if group and not same:
            first, last = group[0].name, group[-1].name
            yield (first if first == last else f"{first} to {last}"), group[-1]
            group = []
        if release is not None:
            group.append(release)


def _conditional() -> Iterator[tuple[str, str]]:
    for method, operation in load_operations().items():
        for argument in operation.honoured:
            yield method, argument
