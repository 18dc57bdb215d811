"""AutoGPT's migrations: the daemon waits for them, and brings forward what it made itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from autogpt_db.database.provisioning.embedded.backup import back_up
from autogpt_db.database.provisioning.embedded.maintenance import connect, serving
from autogpt_db.settings import load_settings
from daemon_process import LEAN, DaemonProcess
from once import copy_of, made_once
from private_cluster import fill_as_0_1_0
from releases.building import PRISMA_MIGRATIONS, build
from releases.catalogues import catalogue
from releases.reading import comparable, differences, read

if TYPE_CHECKING:
    from collections.abc import Callable

    from autogpt_db.settings import Settings

WAITING = "waiting for AutoGPT's migrations"


def test_the_daemon_starts_before_autogpts_migrations(empty_database: str) -> None:
    with psycopg.connect(empty_database, autocommit=True) as autogpt:
        daemon = DaemonProcess(database_url=empty_database, assignments=LEAN)
        try:
            daemon.launch()
            daemon.wait_notified(f"{WAITING}: The schema 'platform' has no tables")
            assert autogpt.execute("SELECT to_regnamespace('autogpt_db')").fetchone() == (None,)

            # Prisma writes down what it is about to do, and does it.
            autogpt.execute("CREATE SCHEMA platform")
            autogpt.execute(PRISMA_MIGRATIONS)
            autogpt.execute("""
                INSERT INTO platform._prisma_migrations (id, checksum, migration_name)
                VALUES ('1', '', '20260713120000_org_one_personal_per_user')
            """)
            daemon.wait_notified(f"{WAITING}: AutoGPT's migration 20260713120000")
            build(autogpt, "v0.6.68", recorded=False)
            assert not any("READY=1" in words for words in daemon.read_notifications())
            assert all(
                "EXTEND_TIMEOUT_USEC=" in words for words in daemon.notified if WAITING in words
            )
            autogpt.execute("UPDATE platform._prisma_migrations SET finished_at = now()")

            daemon.wait_notified("READY=1")
            assert daemon.call("get_execution_kv_data", user_id="u", key="k") is None
            reasons = [record["reason"] for record in daemon.events("waiting_for_migrations")]
            assert len(reasons) == len(set(reasons)) == 2, "each reason once"
            (migrated,) = daemon.events("schema_migrated")
            assert not [name for name in migrated["applied"] if "platform" in name]
            wanted = comparable(catalogue("v0.6.68"))
            assert differences(wanted, read(autogpt)) == []
        finally:
            daemon.__exit__()


def test_a_daemon_that_waits_ends_when_it_is_told_to(empty_database: str) -> None:
    daemon = DaemonProcess(database_url=empty_database, assignments=LEAN)
    try:
        daemon.launch()
        daemon.wait_notified(WAITING)
        for command in (["status"], ["call", "get_credits", "user_id=u"]):
            refused = daemon.run(*command)
            assert refused.returncode == 69
            assert "still waits" in refused.stderr, "who waits is not told that nobody is there"
        assert daemon.stop() == 0
    finally:
        daemon.__exit__()


def test_half_a_schema_is_awaited_while_autogpts_migrations_may_go_on(
    release_database: Callable[..., str],
) -> None:
    url = release_database("v0.6.48")
    with psycopg.connect(url, autocommit=True) as autogpt:
        # Between two migrations no row is unfinished.
        autogpt.execute('ALTER TABLE platform."AgentNodeExecution" RENAME TO "NotYetThere"')
        # The last is a moment ago, however long a busy machine takes to start.
        moment = "now() + INTERVAL '10 minutes'"
        autogpt.execute(f"UPDATE platform._prisma_migrations SET finished_at = {moment}")
        daemon = DaemonProcess(database_url=url, assignments=LEAN)
        try:
            daemon.launch()
            daemon.wait_notified(WAITING)
            autogpt.execute('ALTER TABLE platform."NotYetThere" RENAME TO "AgentNodeExecution"')
            daemon.wait_notified("READY=1")
        finally:
            daemon.__exit__()


def test_tables_are_made_elsewhere_only_when_told(empty_database: str) -> None:
    daemon = DaemonProcess(database_url=empty_database, assignments=LEAN)
    try:
        refused = daemon.run("migrate")
        assert refused.returncode == 78
        assert "migrate --create" in refused.stderr
        made = daemon.run("migrate", "--create")
        assert made.returncode == 0, made.stderr
        assert "Applied platform_0008_older_tables." in made.stdout
        again = daemon.run("migrate", "--create")
        assert again.stdout == "The schema is up to date.\n"
        daemon.start()
        with psycopg.connect(empty_database, autocommit=True) as connection:
            assert differences(comparable(catalogue("v0.6.68")), read(connection)) == []
    finally:
        daemon.__exit__()


def test_a_setting_has_the_tables_made(empty_database: str) -> None:
    assignments = ["database.create_tables=true"]
    with DaemonProcess(database_url=empty_database, assignments=assignments) as daemon:
        assert daemon.call("get_execution_kv_data", user_id="u", key="k") is None
        assert daemon.events("waiting_for_migrations") == []


def test_tables_that_0_1_0_made_elsewhere_change_only_when_told(empty_database: str) -> None:
    with psycopg.connect(empty_database, autocommit=True) as connection:
        fill_as_0_1_0(connection)
        connection.execute("""
            INSERT INTO platform."Profile" (id, name, username, description, links)
            VALUES ('p9', 'n', 'nobody', '', '{}')
        """)
        daemon = DaemonProcess(database_url=empty_database, assignments=LEAN)
        try:
            daemon.start()
            assert daemon.stop() == 0
            before = read(connection)
            assert "owningOrgId" not in str(before)
            told = daemon.run("migrate")
            assert "autogpt-db migrate --platform" in told.stdout
            assert "autogpt-db migrate --platform" in daemon.run("doctor").stdout
            assert read(connection) == before
            done = daemon.run("migrate", "--platform")
            assert done.returncode == 0, done.stderr
            moved = "Moved 1 row of Profile to autogpt_db.row_kept_aside"
            assert moved in done.stdout
            assert "rows_kept_aside" in done.stdout + done.stderr
            assert differences(comparable(catalogue("v0.6.68")), read(connection)) == []
            assert "migrate --platform" not in daemon.run("doctor").stdout
        finally:
            daemon.__exit__()


# The private cluster -----------------------------------------------------------------------------


def settings_in(directory: Path) -> Settings:
    """Return the settings of a daemon that has this directory."""
    places = {"state_directory": "state", "runtime_directory": "run"}
    assignments = [f"{name}={directory / place}" for name, place in places.items()]
    return load_settings(assignments=assignments, environment={}).settings


def make(directory: Path) -> None:
    """Make the private cluster as 0.1.0 did, with the contract's rows, and a backup of it."""
    directory.mkdir(mode=0o755)
    settings = settings_in(directory)
    with serving(settings), connect(settings) as connection:
        fill_as_0_1_0(connection)
    back_up(settings, directory / "old")


class Private:
    """A daemon whose private cluster 0.1.0 made, with the contract's rows, and a backup of it."""

    def __init__(self) -> None:
        self.daemon = DaemonProcess(assignments=LEAN)
        copy_of(made_once("private-of-0.1.0", make), self.daemon.directory)
        self.settings = settings_in(self.daemon.directory)
        (self.backup,) = (self.daemon.directory / "old").iterdir()

    def catalogue(self) -> dict[str, Any]:
        with serving(self.settings), connect(self.settings) as connection:
            return read(connection)


@pytest.fixture
def private() -> Iterator[Private]:
    made = Private()
    try:
        yield made
    finally:
        made.daemon.__exit__()


@pytest.mark.timeout(300)
def test_the_private_cluster_is_brought_forward_after_a_backup(private: Private) -> None:
    daemon, wanted = private.daemon, comparable(catalogue("v0.6.68"))
    daemon.start()
    assert daemon.call("get_user_by_id", user_id="alice")["email"] == "alice@example.com"
    (saved,) = daemon.events("backed_up")
    (migrated,) = daemon.events("schema_migrated")
    applied = migrated["applied"]
    assert "platform_0008_new_tables" in applied
    published = {f"000{number}" for number in range(1, 8)}
    assert not [name for name in applied if name[:4] in published], "0.1.0 has made those"
    assert Path(saved["directory"]).parent == daemon.state / "backups"
    assert differences(wanted, private.catalogue()) == []
    assert daemon.stop() == 0

    daemon.start()
    assert daemon.stop() == 0
    assert len(daemon.events("schema_migrated")) == 1, "a second start applies nothing"
    assert len(daemon.events("backed_up")) == 1

    # The way back, and forward again: of the backup made now, and of one that 0.1.0 made.
    for number, backup in enumerate((saved["directory"], private.backup), 2):
        restored = daemon.run("restore", "--replace", str(backup))
        assert restored.returncode == 0, restored.stderr
        assert "agentGraphVersion" in str(private.catalogue()["tables"]["StoreListing"])
        daemon.start()
        assert daemon.call("get_user_by_id", user_id="alice")["email"] == "alice@example.com"
        assert daemon.stop() == 0
        assert len(daemon.events("schema_migrated")) == number
        assert differences(wanted, private.catalogue()) == []


def test_without_a_backup_the_private_cluster_stays_and_is_served(private: Private) -> None:
    daemon = private.daemon
    (daemon.state / "backups").write_text("in the way")
    before = private.catalogue()
    daemon.start()
    assert daemon.call("get_user_by_id", user_id="alice")["email"] == "alice@example.com"
    (postponed,) = daemon.events("tables_upgrade_postponed")
    assert "backups" in postponed["problem"]
    assert private.catalogue() == before
    assert daemon.stop() == 0

    (daemon.state / "backups").unlink()
    daemon.start()
    assert differences(comparable(catalogue("v0.6.68")), private.catalogue()) == []
