"""Backing up the private cluster while it serves, with pg_basebackup."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from autogpt_db import __version__
from autogpt_db.database.provisioning.embedded.archive import (
    MANIFEST,
    Record,
    check_files,
    check_manifest,
    digest_of,
    read_record,
    write_record,
)
from autogpt_db.database.provisioning.embedded.cluster import sync_directory
from autogpt_db.database.provisioning.embedded.directories import check_space, size_of, stamp
from autogpt_db.database.provisioning.embedded.maintenance import (
    connect,
    connection_options,
    major_of,
    private_cluster,
    run_tool,
    serving,
)
from autogpt_db.errors import MaintenanceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from autogpt_db.settings import Settings

_PREFIX = "autogpt-db-"
_UNFINISHED = f".{_PREFIX}unfinished-"
_PROGRESS = re.compile(r"(\d+)/(\d+) kB")

_CLUSTER_BYTES = """
SELECT sum(pg_catalog.pg_database_size(oid))::bigint,
    current_setting('server_version')
FROM pg_catalog.pg_database
"""


class Backup(NamedTuple):
    """A finished backup.

    Attributes:
        directory: Where it is.
        record: What is in it.
        size: Its bytes.
        seconds: How long it took.
    """

    directory: Path
    record: Record
    size: int
    seconds: float


def back_up(
    settings: Settings,
    target: Path,
    *,
    compression: int = 3,
    ignore_space: bool = False,
    progress: Callable[[str, float], object] = lambda _what, _share: None,
) -> Backup:
    """Back up the private cluster, whether the service runs or not.

    It is made under another name, checked, written to the disk, then renamed: what is called
    autogpt-db-… is whole.

    Args:
        settings: Of the daemon whose cluster it is.
        target: The directory that the backup's own directory is made in.
        compression: gzip's level; 0: none.
        ignore_space: Don't ask whether there is room.
        progress: Gets what is being done, and how much of it is done, 0 to 1.

    Raises:
        ConfigurationError: There is no private cluster, or `target` cannot be used.
        DatabaseUnreachableError: The private PostgreSQL doesn't answer.
        MaintenanceError: There is no room, or pg_basebackup failed.
        BackupDamagedError: What has arrived isn't what PostgreSQL sent.
    """
    began = time.monotonic()
    cluster = private_cluster(settings)
    binaries = cluster.binaries(settings, major_of(cluster.data))
    with serving(settings), _unfinished(target) as fresh:
        with connect(settings) as connection:
            row = connection.execute(_CLUSTER_BYTES).fetchone()
        assert row is not None
        data_bytes, version = int(row[0]), str(row[1]).partition(" ")[0]
        if not ignore_space:
            check_space(target, data_bytes, what="the backup")

        def tell(line: str) -> None:
            found = _PROGRESS.match(line)
            if found:
                progress("copying", int(found[1]) / max(int(found[2]), int(found[1]), 1))

        # As ourselves, not as PostgreSQL's account, which may not write to the target.
        run_tool(
            [
                str(binaries.directory / "pg_basebackup"),
                *connection_options(settings),
                f"--pgdata={fresh}",
                "--format=tar",
                # A stream of its own, in a slot: no load makes PostgreSQL drop what it needs.
                "--wal-method=stream",
                "--checkpoint=fast",
                "--manifest-checksums=SHA256",
                f"--compress={f'client-gzip:{compression}' if compression else 'none'}",
                "--label=autogpt-db backup",
                "--no-password",
                "--progress",
            ],
            None,
            on_line=tell,
        )
        done = 0

        def count(size: int) -> None:
            nonlocal done
            done += size
            progress("checking", min(1.0, done / max(data_bytes, 1)))

        unpacked = check_manifest(fresh, count)
        files = {path.name: (path.stat().st_size, digest_of(path)) for path in fresh.iterdir()}
        assert MANIFEST in files
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        record = Record(created, __version__, version, unpacked, files)
        write_record(fresh, record)
        size = size_of(fresh)
        final = _final_name(target)
        fresh.rename(final)
    sync_directory(target)
    return Backup(final, record, size, time.monotonic() - began)


def verify(
    directory: Path, *, progress: Callable[[str, float], object] = lambda _what, _share: None
) -> Record:
    """Check that a backup is what it was when it was made.

    Args:
        directory: The backup.
        progress: As of `back_up`.

    Raises:
        BackupDamagedError: It isn't.
    """
    record = read_record(directory)
    total = sum(size for size, _ in record.files.values())
    done = 0

    def count(size: int) -> None:
        nonlocal done
        done += size
        progress("checking", done / max(total, 1))

    check_files(directory, record, count)
    return record


@contextmanager
def _unfinished(target: Path) -> Iterator[Path]:
    """Yield a directory to work in that goes if the work fails, as do those that the dead left."""
    fresh = target / f"{_UNFINISHED}{stamp()}-{os.getpid()}"
    try:  # before it is there: a signal may come in any moment
        with _made(target, fresh):
            yield fresh
    except OSError as error:
        raise MaintenanceError(f"{target}: {error.strerror}.") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


@contextmanager
def _made(target: Path, fresh: Path) -> Iterator[None]:
    """Make a directory below another one, and hold its lock."""
    try:
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in target.glob(f"{_UNFINISHED}*"):
            if _abandoned(left):
                shutil.rmtree(left, ignore_errors=True)
        fresh.mkdir(mode=0o700)
    except OSError as error:
        raise MaintenanceError(
            f"{target} cannot be written to: {error.strerror}. Choose another directory."
        ) from None
    descriptor = os.open(fresh, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _abandoned(directory: Path) -> bool:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _final_name(target: Path) -> Path:
    name = final = target / f"{_PREFIX}{stamp()}"
    number = 1
    while final.exists():
        number += 1
        final = name.with_name(f"{name.name}-{number}")
    return final
