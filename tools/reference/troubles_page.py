"""The how-to of what can be the matter with a database, from what refusals and doctor say of it."""

from __future__ import annotations

from string import Formatter
from typing import TYPE_CHECKING, Final

from tools.reference import NOTICE

from autogpt_db.database.troubles import TROUBLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autogpt_db.database.troubles import Trouble

_HEAD: Final = """
# Find out what is the matter

`autogpt-db doctor` looks at everything and changes nothing. It has a line for each of what is
listed here, and with each that isn't well what mends it, with the right names in it. What keeps a
start from succeeding is in the log in the same words, with exit code 78: no restart helps, and
systemd tries none.

What stands in brackets is a name of yours. Statements end with `;` and are for PostgreSQL's shell:
`autogpt-db psql`, or `psql` as somebody who may.

Why PostgreSQL refused a single call: [postgresql-refusals](../reference/postgresql-refusals.md).
Exit codes: [exit-codes](../reference/exit-codes.md).
"""

_BAR: Final = r"\|"
_TITLES: Final = {
    "database": "The database lets nobody in",
    "pooler": "A pooler stands between",
    "encoding": "Text that cannot be stored",
    "session settings": "Settings of the role or database",
    "writes": "Writes are refused",
    "durability": "Writes may be lost in a crash",
    "rights": "The role may not do what it has to",
    "own schema": "What is ours is not as it should be",
    "connections": "Too few connections",
    "hosts": "One of several hosts is silent",
}


def troubles_page() -> str:
    """Return the page's text."""
    return f"{NOTICE}\n{_HEAD}" + "".join(_sections()) + "\n"


def _sections() -> Iterator[str]:
    for check, title in _TITLES.items():
        rows = [trouble for trouble in TROUBLES if trouble.check == check]
        if rows:
            yield f"\n## {title}\n\ndoctor's line: `{check}`.\n\n"
            yield "| what shows | what is the matter | what mends it |\n|---|---|---|\n"
            yield "\n".join(_row(trouble) for trouble in rows)
            yield "\n"


def _row(trouble: Trouble) -> str:
    names = {
        name: f"[{name}]"
        for text in (trouble.cause, trouble.remedy)
        for _, name, *_ in Formatter().parse(text)
        if name
    }
    cause = trouble.caused(**names)
    whose = f"{trouble.whose[0].upper()}{trouble.whose[1:]}: " if trouble.whose else ""
    cells = (trouble.symptom, f"{cause[0].upper()}{cause[1:]}.", whose + trouble.remedied(**names))
    # What is called by a name in brackets would be a link, to nowhere.
    plain = (cell.replace("|", _BAR).replace("](", "] (") for cell in cells)
    return f"| {' | '.join(plain)} |"
