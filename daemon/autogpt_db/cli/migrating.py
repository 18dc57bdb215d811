"""`autogpt-db migrate`: what was applied, and what is left to decide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.database.provisioning.manager import DatabaseManager
from autogpt_db.database.provisioning.migration import pending_upgrade, told_of_ours
from autogpt_db.errors import SchemaError
from autogpt_db.operations.needed import needed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autogpt_db.settings import Settings


def migrate(settings: Settings, *, create: bool, upgrade: bool) -> Iterator[str]:
    """Migrate, and yield what was done.

    Args:
        settings: Where the database is.
        create: Make AutoGPT's tables where there are none.
        upgrade: Bring AutoGPT's tables, where we made them, to those of a later release.
    """
    with DatabaseManager(
        settings, needed=needed(), wait=False, create=create, upgrade=upgrade
    ) as manager:
        assert manager.outcome is not None
        for name in manager.outcome.applied:
            yield f"Applied {name}."
        for what in manager.outcome.mended:
            yield f"Mended: {what}."
        if manager.outcome.left:
            raise SchemaError(told_of_ours(manager.outcome.left))
        for (table, reason), count in manager.outcome.kept_aside.items():
            rows = "1 row" if count == 1 else f"{count} rows"
            yield (
                f"Moved {rows} of {table} to autogpt_db.row_kept_aside: AutoGPT v0.6.68 wants that "
                f"{reason}."
            )
        with manager.connect() as connection:
            left = pending_upgrade(connection, schema_name=manager.url.schema)
        if left and not manager.url.embedded:
            yield (
                "AutoGPT's tables are as an earlier autogpt-db made them, those of v0.6.48. Back "
                "the database up, then: autogpt-db migrate --platform"
            )
        yield "The schema is up to date."
