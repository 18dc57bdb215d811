"""What goes before a change of AutoGPT's tables in the private cluster: a backup, and room."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from autogpt_db.database.provisioning.embedded.backup import back_up
from autogpt_db.database.provisioning.embedded.directories import human_size
from autogpt_db.errors import BackupDamagedError, MaintenanceError
from autogpt_db.logs.events import starting as log

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

    from autogpt_db.settings import Settings

BACKUPS = "backups"
"""The directory below the state directory that the backup is made in."""

_CLUSTER_BYTES = "SELECT sum(pg_catalog.pg_database_size(oid))::bigint FROM pg_catalog.pg_database"


def saved(
    settings: Settings,
    connection: psycopg.Connection[Any],
    *,
    notify: Callable[[str], object] = lambda _words: None,
) -> bool:
    """Back the private cluster up, so that its tables may be changed.

    The service does without the change where it cannot: its tables are then as before, and the
    next start tries again.

    Args:
        settings: Of the daemon whose cluster it is.
        connection: To it.
        notify: Gets words on what is being done.

    Returns:
        Whether there is a backup, and as much room as the change may take.
    """
    target = settings.paths.state.absolute() / BACKUPS
    try:
        _check_space(settings, connection)
        notify("backing up the private PostgreSQL before its tables are changed")
        backup = back_up(
            settings,
            target,
            ignore_space=True,  # just asked for
            progress=lambda what, share: notify(
                f"backing up the private PostgreSQL before its tables are changed: "
                f"{what}, {share:.0%}"
            ),
        )
    except (MaintenanceError, BackupDamagedError, OSError) as error:
        log.tables_upgrade_postponed(
            problem=str(error),
            remedy="AutoGPT's tables stay as they are, and newer methods are not served; mend "
            "this and restart",
        )
        return False
    log.backed_up(
        directory=str(backup.directory),
        seconds=round(backup.seconds, 2),
        remedy="autogpt-db restore goes back to it",
    )
    return True


def _check_space(settings: Settings, connection: psycopg.Connection[Any]) -> None:
    row = connection.execute(_CLUSTER_BYTES).fetchone()
    assert row is not None
    # The backup, and tables that are written anew.
    needed = 2 * int(row[0])
    free = shutil.disk_usage(settings.paths.state).free
    if free < needed:
        raise MaintenanceError(
            f"{settings.paths.state} has {human_size(free)} free; a backup and the change of "
            f"AutoGPT's tables may take {human_size(needed)}."
        )
