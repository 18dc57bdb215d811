"""`autogpt-db methods`: what is served, here and on the database of any AutoGPT release."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from autogpt_db.cli.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autogpt_db.operations import Operation
    from autogpt_db.settings import Settings

PATIENCE = 3
"""Seconds to wait for the database: the list is worth having without it, too."""


def describe_release(name: str, *, as_json: bool) -> Iterator[str]:
    """Yield what becomes of each method on a database of a release.

    Args:
        name: The release's number.
        as_json: As JSON instead of a table.

    Raises:
        ConfigurationError: There is no such release, as far as is known.
    """
    from autogpt_db.database.releases import RELEASES, find, first_release_of
    from autogpt_db.errors import ConfigurationError
    from autogpt_db.operations.coverage import coverage

    release = find(name)
    if release is None:
        known = f"{RELEASES[0].name} to {RELEASES[-1].name}"
        raise ConfigurationError(f"--release: {name!r} is none of the releases known: {known}.")
    found = coverage(release)
    rows = [(method, first_release_of(method) or "", state) for method, state in found.items()]
    if as_json:
        names = ("name", "since", "here")
        yield json.dumps([dict(zip(names, row, strict=True)) for row in rows], indent=2)
        return
    yield from table(("METHOD", "SINCE", f"ON v{release.name}"), rows)
    yield ""
    yield ", ".join(
        f"{number} {state}" for state, number in sorted(Counter(found.values()).items())
    )


def describe_methods(settings: Settings | None = None, *, as_json: bool) -> Iterator[str]:
    """Yield the methods as a table, or as JSON: what each reads and writes, what a repeat does.

    Args:
        settings: Where the database is, to say what it lacks; None: it isn't asked.
        as_json: As JSON instead of a table.
    """
    from autogpt_db.operations import served_operations

    operations = sorted(served_operations().values(), key=lambda operation: operation.name)
    lacking = _lacking(settings) if settings is not None else {}
    if as_json:
        yield json.dumps([_described(one, lacking.get(one.name)) for one in operations], indent=2)
        return
    yield from table(
        ("METHOD", "DOES", "A REPEAT", "TABLES (* written)"),
        (
            (
                operation.name,
                "reads" if operation.reads else "writes",
                "is harmless" if _repeat_is_harmless(operation) else "NEEDS A KEY",
                " ".join(f"{'*' * each.written}{each.name}" for each in operation.tables),
            )
            for operation in operations
        ),
    )
    for method, missing in lacking.items():
        yield f"not served: {method}: the database lacks {missing}"


def _described(operation: Operation, lacks: str | None) -> dict[str, object]:
    return {
        "name": operation.name,
        "reads": operation.reads,
        "served": lacks is None,
        "lacks": lacks,
        "tables": {
            "read": [each.name for each in operation.tables if not each.written],
            "written": [each.name for each in operation.tables if each.written],
        },
        "idempotency": {
            "key": not operation.reads,
            "repeat_is_harmless": _repeat_is_harmless(operation),
            "repeat": operation.repeat.effect if operation.repeat else None,
        },
        "summary": operation.summary,
        "signature": operation.signature,
    }


def _lacking(settings: Settings) -> dict[str, str]:
    """Return what methods lack in the database; nothing where it doesn't answer."""
    import psycopg

    from autogpt_db.cli.connecting import bounds
    from autogpt_db.database.hosts import connect
    from autogpt_db.database.schema import read_catalogue
    from autogpt_db.database.url import direct_database_url
    from autogpt_db.operations.coverage import at_hand

    target = direct_database_url(settings)
    conninfo = target.conninfo(
        connect_timeout=PATIENCE,
        application_name="autogpt-db methods",
        **bounds(PATIENCE, PATIENCE),
    )
    try:
        with connect(conninfo) as connection:
            catalogue = read_catalogue(connection, target.schema)
    except psycopg.Error:
        return {}
    if not catalogue.columns:
        return {}
    return dict(at_hand(catalogue, target.schema).lacking)


def _repeat_is_harmless(operation: Operation) -> bool:
    # Of a write that doesn't say, nobody knows.
    return operation.reads or (operation.repeat is not None and operation.repeat.harmless)
