"""Ways in that are closed: what is printed opens them, carried out as it stands."""

from __future__ import annotations

import json
import re
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from daemon_process import DaemonProcess, free_port
from fickle_host import FickleHost
from matrix.remedies import Remedies
from pgbouncer import PGBOUNCER, PgBouncer
from postgres_server import PostgresServer, with_schema
from releases.building import ReleaseDatabases
from typed_commands import typed

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(240)

PATIENCE = 90.0
SMALL = ["api.processes=1", "worker.processes=1", "database.startup_timeout=600"]


class GuardedServer(PostgresServer):
    """A server on TCP whose pg_hba.conf a test may write."""

    def admit(self, *lines: str) -> None:
        """Let in over its socket whoever comes, and over TCP as these lines say."""
        text = "\n".join(["local all all trust", *lines, ""])
        (self.directory / "data" / "pg_hba.conf").write_text(text)


@pytest.fixture(scope="module")
def server() -> Iterator[GuardedServer]:
    with GuardedServer(port=free_port()) as running:
        yield running


@pytest.fixture
def database(server: GuardedServer) -> Iterator[str]:
    """Yield the name of a database that a service can begin with."""
    releases = ReleaseDatabases(server)
    url = releases.fresh("v0.6.48", seeded=True, ours=True)
    yield url.partition("?")[0].rpartition("/")[2]
    releases.drop(url)


@contextmanager
def stopped(url: str) -> Iterator[DaemonProcess]:
    """Yield a daemon that has not been started."""
    daemon = DaemonProcess(database_url=with_schema(url), assignments=SMALL)
    try:
        yield daemon
    finally:
        daemon.__exit__()


def found(daemon: DaemonProcess, check: str) -> dict[str, str]:
    """Return what doctor finds wrong in one of its lines."""
    checks = json.loads(typed(daemon, "doctor", "--json").stdout)["checks"]
    (wrong,) = [each for each in checks if each["check"] == check and each["level"] != "ok"]
    return dict(wrong)


def refused(daemon: DaemonProcess) -> str:
    """Start it, see that it ends with 78, and return why."""
    daemon.launch()
    assert daemon.exit_code(seconds=PATIENCE) == 78, daemon.log()
    (problem,) = [each["problem"] for each in daemon.events("configuration_invalid")]
    return str(problem)


def up(daemon: DaemonProcess) -> None:
    """See that it starts and serves now."""
    daemon.launch()
    daemon.wait_notified("READY=1", seconds=PATIENCE)
    assert daemon.call("get_user_by_id", user_id="alice")["email"] == "alice@example.com"
    assert daemon.stop() == 0


def test_a_line_for_us_lets_us_in(server: GuardedServer, database: str) -> None:
    server.admit("host all all 127.0.0.1/32 reject")
    server.execute("SELECT pg_reload_conf()")
    url = f"postgresql://postgres@127.0.0.1:{server.port}/{database}"
    with stopped(url) as daemon:
        told = refused(daemon)
        assert "pg_hba.conf" in told
        remedy = found(daemon, "database")["remedy"]
        assert remedy in told
        assert "Add a line for the role, the database and this address" in remedy
        server.admit(f"host {database} postgres 127.0.0.1/32 trust")
        for statement in Remedies.printed_in(remedy).statements:
            server.execute(statement)
        up(daemon)


def test_a_role_that_was_renamed_is_named_back(server: GuardedServer, database: str) -> None:
    server.execute("CREATE ROLE mover LOGIN SUPERUSER")
    server.execute("ALTER ROLE mover RENAME TO moved")
    url = server.url(database).replace("postgres@", "mover@")
    try:
        with stopped(url) as daemon:
            told = refused(daemon)
            assert "does not exist" in told
            remedies = Remedies.printed_in(found(daemon, "database")["remedy"], meant="moved")
            for statement in remedies.statements:
                server.execute(statement)
            up(daemon)
    finally:
        server.execute("DROP OWNED BY mover")
        server.execute("DROP ROLE IF EXISTS mover")
        server.execute("DROP ROLE IF EXISTS moved")


def test_a_host_that_is_silent_is_taken_out(server: GuardedServer, database: str) -> None:
    server.admit("host all all 127.0.0.1/32 trust")
    server.execute("SELECT pg_reload_conf()")
    with FickleHost() as silent:
        hosts = f"127.0.0.1:{silent.port},127.0.0.1:{server.port}"
        with stopped(f"postgresql://postgres@{hosts}/{database}") as daemon:
            wrong = found(daemon, "hosts")
            assert wrong["text"].startswith(f"127.0.0.1:{silent.port} does not answer")
            assert "take it out of DATABASE_URL: `autogpt-db dsn` shows it" in wrong["remedy"]
            assert f"127.0.0.1:{silent.port},127.0.0.1:{server.port}" in typed(daemon, "dsn").stdout
            url = daemon.environment["DATABASE_URL"]
            daemon.environment["DATABASE_URL"] = url.replace(f"127.0.0.1:{silent.port},", "")
            checks = json.loads(typed(daemon, "doctor", "--json").stdout)["checks"]
            assert [each["level"] for each in checks if each["check"] == "hosts"] == ["ok"]
            up(daemon)


@pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer (Debian: pgbouncer) is missing")
def test_a_pooler_that_was_not_named_is_named(server: GuardedServer, database: str) -> None:
    with (
        PgBouncer(with_schema(server.url(database)), pool_size=4) as pooler,
        stopped(pooler.url.replace("&pgbouncer=true", "")) as daemon,
    ):
        told = refused(daemon)
        remedy = found(daemon, "pooler")["remedy"]
        assert remedy in told
        # As a shell carries it out.
        (command,) = re.findall(r"`(export [^`]+)`", remedy)
        done = subprocess.run(
            ["bash", "-c", f'{command}; printf %s "$DATABASE_URL"'],
            env=daemon.environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        assert done.stdout != daemon.environment["DATABASE_URL"]
        daemon.environment["DATABASE_URL"] = done.stdout
        up(daemon)
