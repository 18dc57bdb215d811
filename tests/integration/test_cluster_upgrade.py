"""The private cluster moved from PostgreSQL 15 to a newer one with the same data, or left alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from autogpt_db.database.provisioning.embedded.backup import back_up
from autogpt_db.database.provisioning.embedded.maintenance import connect, serving, stopped
from autogpt_db.database.provisioning.embedded.restore import restore
from autogpt_db.database.provisioning.embedded.upgrade import upgrade
from autogpt_db.database.provisioning.manager import DatabaseManager
from autogpt_db.errors import ConfigurationError, MaintenanceError, ResourceTakenError
from autogpt_db.settings import EmbeddedSettings, Settings, load_settings
from console_sessions import matches, steps
from daemon_process import PROGRAM
from once import copy_of, made_once, scratch
from postgres_server import SYSTEM_15, binaries, has_server
from private_cluster import fill, look

NEWER = Path(os.environ.get("AUTOGPT_DB_TEST_NEWER_POSTGRES", binaries()))

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "back-up-and-restore.md"

pytestmark = pytest.mark.skipif(not has_server(SYSTEM_15), reason="needs Debian's postgresql-15")


def settings_in(directory: Path) -> Settings:
    """Return the settings of a directory below which PostgreSQL 15 is run."""
    settings = load_settings(
        assignments=[f"state_directory={directory}/state", f"runtime_directory={directory}/run"],
        environment={},
    ).settings
    return msgspec.structs.replace(settings, embedded=EmbeddedSettings(binaries=SYSTEM_15))


def make(directory: Path) -> None:
    """Make a cluster of 15 with data in it, and write down what that is."""
    directory.mkdir(mode=0o755)
    (directory / "digests").write_bytes(msgspec.json.encode(fill(settings_in(directory))))


@pytest.fixture
def old() -> Iterator[Settings]:
    """Yield the settings of a state directory with data in it, run with PostgreSQL 15."""
    directory = Path(tempfile.mkdtemp(prefix="adb-", dir=scratch()))
    directory.chmod(0o755)
    copy_of(made_once("cluster-of-15", make), directory)
    yield settings_in(directory)
    shutil.rmtree(directory)


@pytest.fixture
def before(old: Settings) -> dict[str, tuple[int, str]]:
    """Return the digests of the data."""
    digests = (old.paths.state.parent / "digests").read_bytes()
    return msgspec.json.decode(digests, type=dict[str, tuple[int, str]])


def unpinned(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, embedded=EmbeddedSettings())


def typed(settings: Settings, command: str) -> subprocess.CompletedProcess[str]:
    """Type a command of the page's at a terminal; what it shows comes as `stdout`."""
    environment = {
        "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}",
        "TERM": "xterm",
        "AUTOGPT_DB_STATE_DIRECTORY": str(settings.paths.state),
        "AUTOGPT_DB_RUNTIME_DIRECTORY": str(settings.paths.runtime),
    }
    return subprocess.run(
        ["script", "--quiet", "--return", "--command", command, "/dev/null"],
        env=environment, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def version_of(settings: Settings) -> int:
    with serving(settings), connect(settings) as connection:
        return connection.info.server_version // 10000


def names_in(settings: Settings) -> set[str]:
    place = settings.paths.state / "postgresql"
    return {path.name.partition("-2")[0] for path in place.iterdir() if path.name[0].islower()}


def test_15_becomes_the_newer_one_with_the_same_data_and_the_old_one_is_kept(
    old: Settings, before: dict[str, tuple[int, str]]
) -> None:
    conf = old.paths.state / "postgresql" / "data" / "postgresql.conf"
    with conf.open("a") as stream:
        stream.write("work_mem = 32MB  # ours\n")
    done = upgrade(unpinned(old), binaries=NEWER if binaries() != NEWER else None)
    print(f"\nfrom {done.before} to {done.after} in {done.seconds:.1f} s")
    assert done.before.startswith("15.")
    new = msgspec.structs.replace(
        old, embedded=EmbeddedSettings(binaries=NEWER if binaries() != NEWER else None)
    )
    after = look(new)
    assert after == before
    newer = version_of(new)
    assert newer > 15
    assert done.after.startswith(f"{newer}.")
    assert done.not_carried_over == ["postgresql.conf: work_mem = 32MB"]
    with serving(new), connect(new) as connection:
        ((analysed,),) = connection.execute(
            "SELECT count(*) FROM pg_catalog.pg_stats WHERE schemaname = 'platform'"
        ).fetchall()
        assert analysed > 0
        assert connection.execute("SHOW data_checksums").fetchone() == ("on",)
    with DatabaseManager(new):  # and the service starts on it
        pass

    # The old one is a cluster still.
    data = done.kept.parent / "data"
    shutil.rmtree(data)
    done.kept.rename(data)
    assert version_of(unpinned(old)) == 15
    assert look(unpinned(old)) == before


def test_what_pg_upgrade_refuses_is_left_as_it_was(old: Settings) -> None:
    with serving(old), connect(old) as connection:
        connection.execute("CREATE TABLE platform.odd (call regprocedure)")  # it cannot move these
    before = look(old)
    with pytest.raises(MaintenanceError, match=r"pg_upgrade failed.*(?s:.*)as it was") as refused:
        upgrade(unpinned(old))
    assert "odd.call" in str(refused.value), "the object is named"
    assert look(old) == before
    assert names_in(old) <= {"data", "socket", "postgresql.log", "upgrade-logs"}
    (logs,) = (old.paths.state / "postgresql").glob("upgrade-logs-*")
    assert str(logs) in str(refused.value)
    assert [*logs.glob("**/log/pg_upgrade_server.log")], "what its tools said is kept"
    assert not [*logs.glob("**/dump")]


def test_what_the_newer_one_refuses_is_known_before_and_moved_by_dump(old: Settings) -> None:
    """Debian's 15.20 and 17.12 give columns an option that no other PostgreSQL knows."""
    with serving(old), connect(old) as connection:
        connection.execute(
            """
            UPDATE pg_catalog.pg_attribute
               SET attoptions = '{n_distinct=7,pg_attver=30144984}'
             WHERE attrelid = 'platform."User"'::regclass AND attname IN ('id', 'email')
            """
        )
        connection.execute("CREATE TABLE platform.odd (call regprocedure)")
        connection.execute("INSERT INTO platform.odd VALUES ('now()'), (NULL)")
        connection.execute("CREATE ROLE reader LOGIN")
        connection.execute('GRANT SELECT ON platform."User" TO reader')
        connection.execute("CREATE DATABASE another")
    before = look(old)
    page = steps(PAGE.read_text("utf-8"), prompt="# ")
    refusing, moving = (each for each in page if "upgrade-cluster" in each.command)
    done = typed(old, refusing.command)
    assert done.returncode == 74, done
    assert re.search(r"refuses \(pg_attver\).*upgrade-cluster --by-dump", done.stdout)
    assert look(old) == before
    assert names_in(old) <= {"data", "socket", "postgresql.log"}

    done = typed(old, moving.command)
    assert done.returncode == 0, done
    assert re.search(r"copying autogpt_db … +\d+%", done.stdout), "how far it is"
    said = "\n".join(done.stdout.rpartition("\x1b[K")[2].splitlines())
    print(f"\n{said}")
    assert matches(moving.output.replace("/var/lib/autogpt-db", str(old.paths.state)), said)
    (kept,) = (old.paths.state / "postgresql").glob("data.before-upgrade-15-*")
    new = unpinned(old)
    assert version_of(new) > 15
    assert look(new) == before
    with serving(new), connect(new) as connection:
        options = connection.execute(
            "SELECT attname::text, attoptions FROM pg_catalog.pg_attribute "
            "WHERE attoptions IS NOT NULL ORDER BY 1"
        ).fetchall()
        assert options == [("email", ["n_distinct=7"]), ("id", ["n_distinct=7"])]
        granted = """SELECT has_table_privilege('reader', 'platform."User"', 'SELECT')"""
        assert connection.execute(granted).fetchone() == (True,)
        others = "SELECT count(*) FROM pg_catalog.pg_database WHERE datname = 'another'"
        assert connection.execute(others).fetchone() == (1,)
    with DatabaseManager(new):
        pass
    assert (kept / "PG_VERSION").read_text().strip() == "15"
    assert names_in(old) <= {"data", "socket", "postgresql.log", "data.before-upgrade-15"}


def test_a_dump_that_cannot_be_read_leaves_the_old_cluster(old: Settings) -> None:
    with serving(old), connect(old) as connection:
        # A check that what is stored doesn't pass any more: it cannot be read in again.
        connection.execute("CREATE TABLE platform.bad (n int)")
        connection.execute("INSERT INTO platform.bad VALUES (-1)")
        connection.execute(
            """
            CREATE FUNCTION platform.never(n int) RETURNS boolean
            LANGUAGE sql IMMUTABLE RETURN n > -1000
            """
        )
        connection.execute("ALTER TABLE platform.bad ADD CHECK (platform.never(n))")
        connection.execute(
            "CREATE OR REPLACE FUNCTION platform.never(n int) RETURNS boolean "
            "LANGUAGE sql IMMUTABLE RETURN n > 0"
        )
    before = look(old)
    shown: list[tuple[str, float]] = []
    with pytest.raises(MaintenanceError, match=r"psql failed: .*bad.*as it was"):
        upgrade(unpinned(old), by_dump=True, progress=lambda *step: shown.append(step))
    shares = [share for what, share in shown if what == "copying autogpt_db"]
    assert shares == sorted(shares)
    assert shares[-1] > 0
    assert look(old) == before
    assert names_in(old) <= {"data", "socket", "postgresql.log"}


@pytest.mark.parametrize("by_dump", [False, True], ids=["pg_upgrade", "dump"])
def test_room_is_asked_for_before_anything_is_touched(
    old: Settings, monkeypatch: pytest.MonkeyPatch, by_dump: bool
) -> None:
    full = shutil.disk_usage("/")._replace(free=2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: full)
    with pytest.raises(MaintenanceError, match=r"has 1\.0 MiB free, and the new cluster may take"):
        upgrade(unpinned(old), by_dump=by_dump)
    assert names_in(old) <= {"data", "socket", "postgresql.log"}
    assert version_of(old) == 15


def test_there_has_to_be_something_newer_and_the_service_has_to_be_stopped(old: Settings) -> None:
    with pytest.raises(ConfigurationError, match="PostgreSQL 15 already"):
        upgrade(old)
    with stopped(old), pytest.raises(ResourceTakenError, match="systemctl stop"):
        upgrade(unpinned(old))


def test_a_backup_of_15_is_restored_with_15(
    old: Settings, before: dict[str, tuple[int, str]], tmp_path: Path
) -> None:
    backup = back_up(old, tmp_path).directory
    shutil.rmtree(old.paths.state)
    restore(unpinned(old), backup)
    assert version_of(unpinned(old)) == 15
    assert look(unpinned(old)) == before
