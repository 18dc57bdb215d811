"""The private cluster: backed up, lost, and restored with the same data; or refused by name."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from autogpt_db.database.provisioning.embedded import backup
from autogpt_db.database.provisioning.embedded.archive import RECORD
from autogpt_db.database.provisioning.embedded.backup import back_up, verify
from autogpt_db.database.provisioning.embedded.directories import check_space
from autogpt_db.database.provisioning.embedded.maintenance import connect, serving, stopped
from autogpt_db.database.provisioning.embedded.restore import restore
from autogpt_db.errors import (
    BackupDamagedError,
    ConfigurationError,
    MaintenanceError,
    ResourceTakenError,
)
from autogpt_db.lifecycle import StopRequested
from autogpt_db.settings import EmbeddedSettings, Settings, load_settings
from once import scratch
from private_cluster import COPIED, digests, fill, look


def settings_in(directory: Path) -> Settings:
    return load_settings(
        assignments=[f"state_directory={directory}", f"runtime_directory={directory}/run"],
        environment={},
    ).settings


@contextmanager
def a_place() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="adb-", dir=scratch()))
    directory.chmod(0o755)  # PostgreSQL's account must pass through it
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


class Made:
    """A cluster with data in it, and a backup of it."""

    def __init__(self, directory: Path) -> None:
        self.settings = settings_in(directory / "state")
        self.digests = fill(self.settings)
        self.backup = back_up(self.settings, directory / "backups").directory


@pytest.fixture(scope="module")
def made() -> Iterator[Made]:
    with a_place() as directory:
        yield Made(directory)


@pytest.fixture
def empty() -> Iterator[Settings]:
    with a_place() as directory:
        yield settings_in(directory / "state")


@pytest.fixture
def copy(made: Made) -> Iterator[Path]:
    with a_place() as directory:
        yield Path(shutil.copytree(made.backup, directory / made.backup.name))


def data_of(settings: Settings) -> Path:
    return settings.paths.state / "postgresql" / "data"


def names_in(settings: Settings) -> set[str]:
    names = {path.name.partition("-2")[0] for path in data_of(settings).parent.iterdir()}
    return names - {COPIED}


def test_what_was_backed_up_is_what_is_restored(made: Made, empty: Settings) -> None:
    assert sum(rows for rows, _ in made.digests.values()) > 50
    verify(made.backup)
    done = restore(empty, made.backup)
    assert done.kept is None
    assert look(empty) == made.digests
    assert names_in(empty) == {"data", "socket", "postgresql.log"}
    with serving(empty), connect(empty) as connection:
        assert connection.execute("SHOW data_checksums").fetchone() == ("on",)


def test_a_backup_is_its_owner_s_alone_and_the_record_tells_what_it_is(made: Made) -> None:
    assert made.backup.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in made.backup.iterdir()} == {0o600}
    record = json.loads((made.backup / RECORD).read_text())
    assert set(record["files"]) == {path.name for path in made.backup.iterdir()} - {RECORD}
    assert [path for path in made.backup.parent.iterdir() if path != made.backup] == []


def test_a_server_that_runs_is_backed_up_as_it_is(made: Made, empty: Settings) -> None:
    with a_place() as directory, serving(made.settings), connect(made.settings) as connection:
        # Uncommitted work is none.
        connection.execute("BEGIN")
        connection.execute('DELETE FROM platform."AgentNodeExecutionKeyValueData"')
        done = back_up(made.settings, directory, compression=0)
        connection.execute("ROLLBACK")
        assert {path.suffix for path in done.directory.iterdir()} >= {".tar"}
        restore(empty, done.directory)
    assert look(empty) == made.digests


@pytest.mark.parametrize("name", ["base.tar.gz", "pg_wal.tar.gz", "backup_manifest"])
def test_a_damaged_file_is_found_and_nothing_is_touched(
    copy: Path, empty: Settings, name: str
) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(BackupDamagedError, match=f"{name} is not what it was"):
        verify(copy)
    with pytest.raises(BackupDamagedError, match=name):
        restore(empty, copy)
    assert not data_of(empty).exists()
    assert names_in(empty) == set()


def test_what_is_no_whole_backup_is_refused_by_name(copy: Path, empty: Settings) -> None:
    base = copy / "base.tar.gz"
    with base.open("r+b") as stream:
        stream.truncate(1000)
    with pytest.raises(BackupDamagedError, match="has 1000 bytes, and had"):
        restore(empty, copy)
    base.unlink()
    with pytest.raises(BackupDamagedError, match="cannot be read"):
        restore(empty, copy)
    for text in ("", "[]", '{"format": 1}', '{"format": 1, "files": {"../x": [1, "a"]}}'):
        (copy / RECORD).write_text(text)
        with pytest.raises(BackupDamagedError, match="damaged"):
            restore(empty, copy)
    (copy / RECORD).write_text('{"format": 2}')
    with pytest.raises(BackupDamagedError, match="another autogpt-db"):
        restore(empty, copy)
    (copy / RECORD).unlink()
    with pytest.raises(BackupDamagedError, match="is no backup of autogpt-db"):
        restore(empty, copy)


def test_damage_that_the_record_agrees_with_is_found_by_postgresql_s_manifest(
    copy: Path, empty: Settings
) -> None:
    manifest = (copy / "backup_manifest").read_text()
    changed = manifest.replace('"Checksum": "', '"Checksum": "00', 1)
    (copy / "backup_manifest").write_text(changed)
    record = json.loads((copy / RECORD).read_text())
    record["files"]["backup_manifest"] = [
        len(changed),
        hashlib.sha256(changed.encode()).hexdigest(),
    ]
    (copy / RECORD).write_text(json.dumps(record))
    with pytest.raises(MaintenanceError, match="pg_verifybackup failed"):
        restore(empty, copy)
    assert names_in(empty) <= {"socket"}


def test_data_is_replaced_only_on_demand_and_kept(made: Made, empty: Settings) -> None:
    before = fill(empty)
    with serving(empty), connect(empty) as connection:
        connection.execute("""UPDATE platform."User" SET "name" = 'changed'""")
        before = digests(connection)
    assert before != made.digests
    with pytest.raises(ConfigurationError, match=r"there is data in .* --replace"):
        restore(empty, made.backup)
    assert look(empty) == before
    done = restore(empty, made.backup, replace=True)
    assert look(empty) == made.digests
    assert done.kept is not None
    shutil.rmtree(data_of(empty))
    done.kept.rename(data_of(empty))
    assert look(empty) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root works for another account")
def test_what_root_restores_belongs_to_the_account_of_the_service(
    made: Made, empty: Settings
) -> None:
    service = pwd.getpwnam("nobody")
    settings = msgspec.structs.replace(empty, embedded=EmbeddedSettings(user="nobody"))
    settings.paths.state.mkdir()
    os.chown(settings.paths.state, service.pw_uid, service.pw_gid)
    restore(settings, made.backup)
    back_up(settings, settings.paths.state.parent / "backups")
    assert look(settings) == made.digests
    owners = {
        path: path.stat().st_uid
        for path in settings.paths.state.rglob("*")
        if COPIED not in path.parts  # programs, which stay root's
    }
    assert len(owners) > 1000
    assert {path for path, owner in owners.items() if owner != service.pw_uid} == set()


def test_it_refuses_while_the_service_holds_the_state(made: Made) -> None:
    with stopped(made.settings), pytest.raises(ResourceTakenError, match="systemctl stop"):
        restore(made.settings, made.backup, replace=True)


def test_a_restored_cluster_that_cannot_be_served_is_undone(empty: Settings) -> None:
    with a_place() as directory:
        newer = settings_in(directory / "state")
        fill(newer)
        with serving(newer), connect(newer) as connection:
            connection.execute(
                "INSERT INTO autogpt_db.migration VALUES (9001, '9001_future', 'x', '7.2.1')"
            )
        backup = back_up(newer, directory / "backups").directory
        before = fill(empty)
        with pytest.raises(MaintenanceError, match="the data before is back in its place"):
            restore(empty, backup, replace=True)
    assert look(empty) == before
    assert "data.failed-restore" in names_in(empty)


def test_what_a_killed_backup_left_is_removed_and_a_running_one_is_not(
    made: Made, tmp_path: Path
) -> None:
    left = tmp_path / ".autogpt-db-unfinished-20260101T000000Z-1"
    running = tmp_path / ".autogpt-db-unfinished-20260101T000000Z-2"
    for directory in (left, running):
        directory.mkdir()
    descriptor = os.open(running, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        done = back_up(made.settings, tmp_path)
        assert {*tmp_path.iterdir()} == {running, done.directory}
        again = back_up(made.settings, tmp_path)
        assert again.directory != done.directory
    finally:
        os.close(descriptor)


def test_a_failed_backup_leaves_nothing(made: Made, tmp_path: Path) -> None:
    toast = next(data_of(made.settings).glob("base/*/2619"))  # a catalog's file
    content = toast.read_bytes()
    try:
        toast.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
        with pytest.raises(MaintenanceError, match="checksum"):
            back_up(made.settings, tmp_path)
    finally:
        toast.write_bytes(content)
    assert list(tmp_path.iterdir()) == []


def test_too_little_room_is_told_before_anything_begins(tmp_path: Path) -> None:
    with pytest.raises(MaintenanceError, match=r"free, and the backup may take 909494\.7 TiB"):
        check_space(tmp_path, 10**18, what="the backup")


def test_a_configured_database_is_not_ours_to_back_up(tmp_path: Path) -> None:
    settings = load_settings(assignments=["database.url=postgresql://h/d"], environment={}).settings
    with pytest.raises(ConfigurationError, match="its own tools"):
        back_up(settings, tmp_path)


def test_where_there_is_no_cluster_there_is_nothing_to_back_up(
    empty: Settings, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="there is no private cluster in"):
        back_up(empty, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_signal_in_its_first_moment_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched, pytest.raises(StopRequested):

        def stop(*_: object) -> None:
            patched.undo()
            raise StopRequested("SIGTERM")

        patched.setattr(os, "open", stop)
        with backup._unfinished(tmp_path):
            pass
    assert list(tmp_path.iterdir()) == []
