"""Moving a cluster's databases by dump and restore: what one PostgreSQL writes, another reads.

It is slower than pg_upgrade and bears what that doesn't: column options that only the old one
knows, and types that cannot be taken along as they lie on the disk.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from autogpt_db.database.provisioning.embedded.maintenance import connect, connection_options
from autogpt_db.database.provisioning.embedded.programs import run, running
from autogpt_db.database.provisioning.embedded.server import EmbeddedServer
from autogpt_db.errors import MaintenanceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from autogpt_db.database.provisioning.embedded.binaries import Binaries
    from autogpt_db.database.provisioning.embedded.programs import Account
    from autogpt_db.settings import Settings

KNOWN_OPTIONS = frozenset({"n_distinct", "n_distinct_inherited"})
"""Options of columns that every PostgreSQL knows."""

_UNUSUAL = """
SELECT DISTINCT split_part(choice, '=', 1)
  FROM pg_catalog.pg_attribute
 CROSS JOIN unnest(attoptions) AS choice
 WHERE split_part(choice, '=', 1) <> ALL (%(known)s)
 ORDER BY 1
"""
_DATABASES = """
SELECT datname, pg_database_size(oid)
  FROM pg_catalog.pg_database
 WHERE datallowconn AND NOT datistemplate
 ORDER BY datname
"""
_COLUMN_OPTIONS = re.compile(
    r"^(?P<before>ALTER (?:FOREIGN )?TABLE (?:ONLY )?.+ ALTER COLUMN .+ SET \()"
    r"(?P<given>[^()]*)\);$"
)
_BLOCK = 1 << 20
_NO_END = 7 * 24 * 3600.0
"""Seconds after which a build of indexes is given up."""
_PROBE = """\
CREATE TEMPORARY TABLE probe (value integer);
ALTER TABLE probe ALTER COLUMN value SET ({option} = 1);
"""


class Moved(NamedTuple):
    """What was moved.

    Attributes:
        data: The new cluster's data directory; its server has been stopped.
        left_out: What the new PostgreSQL doesn't know, in words.
    """

    data: Path
    left_out: list[str]


def unusual_options(settings: Settings) -> list[str]:
    """Return options of columns that not every PostgreSQL knows; the private server runs."""
    with connect(settings) as connection:
        rows = connection.execute(_UNUSUAL, {"known": sorted(KNOWN_OPTIONS)}).fetchall()
    return [option for (option,) in rows]


def refused_options(
    options: Sequence[str], binaries: Binaries, account: Account | None, empty: Path
) -> list[str]:
    """Return those of the options that a PostgreSQL refuses.

    Args:
        options: Names, as `unusual_options` returns them.
        binaries: That PostgreSQL.
        account: Whom to run it as.
        empty: A new cluster of it; nothing of this stays in it.
    """
    single = ("--single", "-D", str(empty), "-c", "exit_on_error=on", "-c", "fsync=off")
    command = [str(binaries.directory / "postgres"), *single, "template1"]
    return [
        option
        for option in options
        if run(command, account, text=_PROBE.format(option=option))[0] != 0
    ]


@contextmanager
def moved_by_dump(
    old: Settings,
    new: Binaries,
    place: Path,
    account: Account | None,
    progress: Callable[[str, float], object],
) -> Iterator[Moved]:
    """Make a new cluster of what is in the old one; what is left of it goes at the block's end.

    Args:
        old: Settings with which the old server runs now.
        new: The PostgreSQL to move to.
        place: Where a directory for the new one can be made.
        account: Whom PostgreSQL runs as.
        progress: Gets what is being done, and how much of it is done, 0 to 1.

    Raises:
        MaintenanceError: Something cannot be written or read; the old cluster is as it was.
        ConfigurationError, DatabaseUnreachableError: The new one cannot be made or started.
    """
    state = place / "upgrade"
    shutil.rmtree(state, ignore_errors=True)
    fresh = msgspec.structs.replace(
        old,
        state_directory=state,
        embedded=msgspec.structs.replace(old.embedded, binaries=new.directory),
    )
    try:
        progress("making the new cluster", 0)
        server = EmbeddedServer.start(state, fresh.embedded)
        try:
            left_out = _Move(old, fresh, new, account, progress).everything()
        finally:
            server.stop()
        yield Moved(state / "postgresql" / "data", left_out)
    finally:
        shutil.rmtree(state, ignore_errors=True)


class _Move:
    def __init__(
        self,
        old: Settings,
        new: Settings,
        binaries: Binaries,
        account: Account | None,
        progress: Callable[[str, float], object],
    ) -> None:
        self._old, self._new = old, new
        self._directory = binaries.directory
        self._account = account
        self._progress = progress
        self._left_out: set[str] = set()

    def everything(self) -> list[str]:
        """Move all databases; return what was left out."""
        with connect(self._old) as connection:
            databases = connection.execute(_DATABASES).fetchall()
        with connect(self._new) as connection:
            there = {name for name, _ in connection.execute(_DATABASES).fetchall()}
        # Roles and the like: what is there already, our own role, is said to be and left.
        roles = self._output("pg_dumpall", "--globals-only", database="")
        self._read(roles, "postgres", strict=False)
        for name, size in databases:
            if name not in there:
                self._tool("createdb", self._new, "--maintenance-db=postgres", name)
            before = self._output("pg_dump", "--section=pre-data", database=name)
            self._read(self._without_unknown_options(before), name)
            self._copy(name, size)
            self._read(self._output("pg_dump", "--section=post-data", database=name), name)
        return sorted(self._left_out)

    def _without_unknown_options(self, script: bytes) -> bytes:
        kept = []
        for line in script.decode("utf-8").splitlines(keepends=True):
            match = _COLUMN_OPTIONS.match(line.rstrip("\n"))
            if match is None:
                kept.append(line)
                continue
            given = [each.strip() for each in match["given"].split(",")]
            known = [each for each in given if each.split("=")[0].strip() in KNOWN_OPTIONS]
            gone = {each.split("=")[0].strip(' "') for each in given if each not in known}
            self._left_out |= {f"the columns' option {each}" for each in gone}
            if known:
                kept.append(f"{match['before']}{', '.join(known)});\n")
        return "".join(kept).encode()

    def _copy(self, name: str, size: int) -> None:
        """Send the rows from one server to the other; nothing of them lies on the disk between."""
        written = [*self._command("pg_dump", self._old), "--section=data", name]
        read = [*self._psql(strict=True), f"--dbname={name}"]
        sent = 0
        with (
            tempfile.TemporaryFile() as said,
            running(written, self._account, stdout=subprocess.PIPE, stderr=said) as dump,
            running(
                read,
                self._account,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=said,
            ) as psql,
        ):
            assert dump.stdout is not None
            assert psql.stdin is not None
            try:
                while block := dump.stdout.read(_BLOCK):
                    psql.stdin.write(block)
                    sent += len(block)
                    self._progress(f"copying {name}", min(0.99, sent / max(size, 1)))
                psql.stdin.close()
            except BrokenPipeError:
                dump.terminate()  # psql has said why
            codes = psql.wait(), dump.wait()
            said.seek(0)
            if any(codes):
                raise _failed("pg_dump" if not codes[0] else "psql", said.read())

    def _output(self, tool: str, *options: str, database: str) -> bytes:
        words = [*self._command(tool, self._old), *options]
        code, output, errors = run([*words, database] if database else words, self._account)
        if code != 0:
            raise _failed(tool, errors.encode())
        return output.encode()

    def _read(self, script: bytes, database: str, *, strict: bool = True) -> None:
        command = [*self._psql(strict=strict), f"--dbname={database}"]
        if strict:
            command.append("--single-transaction")
        # A table's indexes may take their time.
        code, _, errors = run(command, self._account, text=script.decode(), seconds=_NO_END)
        if code != 0 and strict:
            raise _failed("psql", errors.encode())

    def _tool(self, tool: str, settings: Settings, *words: str) -> None:
        code, _, errors = run([*self._command(tool, settings), *words], self._account)
        if code != 0:
            raise _failed(tool, errors.encode())

    def _psql(self, *, strict: bool) -> list[str]:
        stop = ["--set=ON_ERROR_STOP=1"] if strict else []
        return [*self._command("psql", self._new), "--no-psqlrc", "--quiet", *stop]

    def _command(self, tool: str, settings: Settings) -> list[str]:
        program = str(self._directory / tool)
        return [program, *connection_options(settings), "--no-password"]


def _failed(tool: str, said: bytes) -> MaintenanceError:
    lines = [line.strip() for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"error|ERROR|FATAL", line)] or lines
    words = "; ".join(telling[-3:]) or "it said nothing"
    return MaintenanceError(f"{tool} failed: {words.rstrip('.')}. The old cluster is as it was.")
