"""PostgreSQL for a campaign: durable against a crash of its own, on a small disk, and as a pair."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Self

import psycopg

from autogpt_db.database.provisioning.migration import migrate
from daemon_process import free_port
from postgres_server import PostgresServer
from waiting import wait_for

DATABASE = "chaos"
SETTINGS = {
    # What was acknowledged survives the processes' death; the machine's own is not played.
    "synchronous_commit": "on",
    "max_connections": "60",
    "max_wal_size": "128MB",
    "min_wal_size": "32MB",
    "wal_keep_size": "64MB",
    "wal_receiver_status_interval": "1s",
    "wal_retrieve_retry_interval": "200ms",
    "autovacuum": "on",
}
DISK_MEGABYTES = 1024


class CrashSafeServer(PostgresServer):
    """A server that loses nothing when it is killed, on TCP, too."""

    def __init__(self) -> None:
        super().__init__(SETTINGS, free_port())

    def crash(self) -> None:
        """End it at once, without a checkpoint."""
        self.stop(signal.SIGQUIT)

    def make_database(self) -> None:
        """Make the campaign's database, with AutoGPT's tables."""
        self.execute(f"CREATE DATABASE {DATABASE}")
        with psycopg.connect(self.url(DATABASE), autocommit=True) as connection:
            migrate(connection, schema_name="platform", create=True)

    @property
    def running(self) -> bool:
        """Tell whether its main process lives."""
        return self.process is not None and self.process.poll() is None

    def ask(self, sql: str) -> list[tuple[object, ...]]:
        """Return the rows of a statement in the campaign's database."""
        with psycopg.connect(self.url(DATABASE), autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def processes(self) -> list[int]:
        """Return the pids of the main process and of all that it started."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [self.process.pid, *map(int, children.read_text().split())]


class SmallDisk(CrashSafeServer):
    """A server whose data are on a disk of their own, where that may be mounted.

    Attributes:
        mounted: Whether it is so; else its disk cannot be filled.
    """

    mounted = False

    def create(self) -> None:
        data = self.directory / "data"
        if os.geteuid() == 0:
            data.mkdir(mode=0o700)
            found = subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m,mode=0700", "tmpfs", data],
                check=False,
                capture_output=True,
            )
            self.mounted = found.returncode == 0
            assert self._account is not None
            os.chown(data, self._account.pw_uid, self._account.pw_gid)
        super().create()

    def __exit__(self, *error: object) -> None:
        self.stop(signal.SIGQUIT)
        if self.mounted:
            subprocess.run(["umount", self.directory / "data"], check=False)
        super().__exit__(*error)

    def fill(self) -> None:
        """Leave no room on the disk."""
        filler = self.directory / "data" / "filler"
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(65536))

    def empty(self) -> None:
        """Make room again."""
        (self.directory / "data" / "filler").unlink(missing_ok=True)


class Pair:
    """A primary and its synchronous standby, which change places.

    Attributes:
        primary: Whoever takes writes.
        standby: The other.
    """

    def __init__(self) -> None:
        self.primary, self.standby = CrashSafeServer(), CrashSafeServer()

    def __enter__(self) -> Self:
        self.primary.__enter__()
        self.make_standby(fresh=True)
        self.primary.make_database()
        return self

    def __exit__(self, *error: object) -> None:
        for one in (self.standby, self.primary):
            one.__exit__(*error)

    def make_standby(self, *, fresh: bool) -> None:
        """Start the standby, and let the primary wait for it at each commit from then on.

        Args:
            fresh: Take a copy of the primary first; otherwise the standby was stopped in peace and
                has no history of its own.
        """
        standby, primary = self.standby, self.primary
        source = f"host=127.0.0.1 port={primary.port} user=postgres"
        if fresh:
            standby.stop(signal.SIGQUIT)
            shutil.rmtree(standby.directory / "data", ignore_errors=True)
            standby.run("pg_basebackup", "-D", "data", "-R", "-X", "stream", "-c", "fast",
                        "--no-sync", "-d", source)  # fmt: skip
        else:
            (standby.directory / "data" / "standby.signal").touch()
        # Not by ALTER SYSTEM there: it takes no writes. The last word in the file counts.
        with (standby.directory / "data" / "postgresql.auto.conf").open("a") as file:
            file.write(f"primary_conninfo = '{source}'\nrecovery_target_timeline = 'latest'\n")
            file.write("synchronous_standby_names = ''\ndefault_transaction_read_only = off\n")
        standby.start()
        primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        primary.execute("SELECT pg_reload_conf()")
        wait_for(self.synchronous, what="a synchronous standby")

    def synchronous(self) -> bool:
        """Tell whether each commit is on both before it is acknowledged."""
        with psycopg.connect(self.primary.url("postgres"), autocommit=True) as connection:
            row = connection.execute(
                "SELECT count(*) FROM pg_stat_replication "
                "WHERE sync_state = 'sync' AND state = 'streaming'"
            ).fetchone()
        return row is not None and row[0] == 1

    def promote(self) -> None:
        """Let the standby take writes; the two change places."""
        self.standby.run("pg_ctl", "promote", "-D", "data", "-w", "-t", "30")
        self.primary, self.standby = self.standby, self.primary

    @property
    def ports(self) -> list[int]:
        """Return the TCP ports of both, in an order that does not change."""
        return sorted(one.port or 0 for one in (self.primary, self.standby))
