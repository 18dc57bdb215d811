"""Proving that a database serves AutoGPT's runs, and naming all that is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autogpt_db.database.releases import is_called, looks_like
from autogpt_db.database.schema import read_catalogue, some, told
from autogpt_db.errors import SchemaError
from autogpt_db.logs.events import database as log

if TYPE_CHECKING:
    from collections.abc import Mapping

    import psycopg

    from autogpt_db.database.catalogue import Catalogue
    from autogpt_db.database.needs import Lack
    from autogpt_db.database.schema import Needed


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
