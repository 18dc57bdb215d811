"""Restoring the private cluster from a backup: checked before, proven after, undone if it fails."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from autogpt_db.database.provisioning.directory_lock import make_directory
from autogpt_db.database.provisioning.embedded.archive import MANIFEST, Record, read_record, unpack
from autogpt_db.database.provisioning.embedded.backup import verify
from autogpt_db.database.provisioning.embedded.cluster import data_version, sync_data
from autogpt_db.database.provisioning.embedded.directories import (
    check_space,
    made_anew,
    put_in_place,
    stamp,
)
from autogpt_db.database.provisioning.embedded.maintenance import (
    private_cluster,
    prove,
    run_tool,
    stopped,
)
from autogpt_db.database.provisioning.embedded.postmaster import end_leftovers
from autogpt_db.errors import ConfigurationError, MaintenanceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from autogpt_db.database.provisioning.embedded.programs import Account
    from autogpt_db.settings import Settings


class Restored(NamedTuple):
    """A finished restore.

    Attributes:
        data: Where the data is.
        record: What it was restored from.
        kept: Where the data before is, if there was any.
        seconds: How long it took.
    """

    data: Path
    record: Record
    kept: Path | None
    seconds: float


def restore(
    settings: Settings,
    backup: Path,
    *,
    replace: bool = False,
    ignore_space: bool = False,
    progress: Callable[[str, float], object] = lambda _what, _share: None,
) -> Restored:
    """Put a backup in the private cluster's place; the service must not run.

    Everything is checked before anything is changed: the backup's files, then the unpacked data by
    pg_verifybackup. Then PostgreSQL is started on it once. If that fails, the data before is back
    in its place. It is never removed.

    Args:
        settings: Of the daemon whose cluster it is.
        backup: The backup's directory.
        replace: There is data, and it may be put aside.
        ignore_space: Don't ask whether there is room.
        progress: As of `back_up`.

    Raises:
        ResourceTakenError: The service runs.
        BackupDamagedError: The backup is damaged, or none.
        ConfigurationError: There is data and `replace` wasn't said; no PostgreSQL here can run it.
        MaintenanceError: There is no room, or the restored cluster doesn't start.
    """
    began = time.monotonic()
    with stopped(settings):
        cluster = private_cluster(settings)
        exists = data_version(cluster.data) is not None
        if exists and not replace:
            raise ConfigurationError(
                f"state_directory: there is data in {cluster.data}. --replace puts the backup in "
                "its place, and keeps it under another name."
            )
        record = read_record(backup)
        make_directory(cluster.place)
        binaries = cluster.binaries(settings, record.major)
        if not ignore_space:
            check_space(cluster.place, record.data_bytes, what="the restored data")
        verify(backup, progress=progress)
        if exists:
            end_leftovers(cluster.data)
        now = stamp()
        fresh = cluster.place / f"data.restoring-{now}"
        with made_anew(fresh):
            _unpack(backup, fresh, record, progress)
            progress("verifying", 0)
            run_tool(
                [str(binaries.directory / "pg_verifybackup"), "--exit-on-error", str(fresh)], None
            )
            (fresh / MANIFEST).unlink()
            _give_away(fresh, cluster.account)
            sync_data(binaries, cluster.account, fresh)
        kept = cluster.place / f"data.before-restore-{now}"
        put_in_place(fresh, cluster.data, kept)
        try:
            progress("starting", 0)
            prove(settings)
        except MaintenanceError as error:
            failed = cluster.place / f"data.failed-restore-{now}"
            if exists:
                put_in_place(kept, cluster.data, failed)
            else:
                cluster.data.rename(failed)
            raise MaintenanceError(
                f"The restored cluster cannot be served: {error} It is in {failed}, and "
                + ("the data before is back in its place." if exists else "nothing else changed.")
            ) from None
    return Restored(cluster.data, record, kept if exists else None, time.monotonic() - began)


def _unpack(
    backup: Path, fresh: Path, record: Record, progress: Callable[[str, float], object]
) -> None:
    done = 0

    def count(size: int) -> None:
        nonlocal done
        done += size
        progress("unpacking", min(1.0, done / max(record.data_bytes, 1)))

    unpack(backup, fresh, count)


def _give_away(directory: Path, account: Account | None) -> None:
    if account is None:
        return
    for folder, _, files in os.walk(directory):
        for path in (Path(folder), *(Path(folder) / name for name in files)):
            os.chown(path, account.user_id, account.group_id, follow_symlinks=False)
