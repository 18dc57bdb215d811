"""What backup, restore and upgrade of the private cluster have in common."""

from __future__ import annotations

import os
import re
import subprocess
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from autogpt_db.database.provisioning.directory_lock import DirectoryLock
from autogpt_db.database.provisioning.embedded.account import choose_account
from autogpt_db.database.provisioning.embedded.binaries import Binaries, find_binaries
from autogpt_db.database.provisioning.embedded.cluster import data_version
from autogpt_db.database.provisioning.embedded.programs import running
from autogpt_db.database.provisioning.embedded.server import EmbeddedServer
from autogpt_db.database.url import EMBEDDED_NAME, database_url
from autogpt_db.errors import (
    ConfigurationError,
    DatabaseUnreachableError,
    MaintenanceError,
    ResourceTakenError,
    SchemaError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import psycopg

    from autogpt_db.database.provisioning.embedded.programs import Account
    from autogpt_db.settings import Settings

_LINE_END = re.compile(rb"[\r\n]")
_TELLING = re.compile(r"error:|fatal:|FATAL|PANIC|ERROR|could not|failed|checksum", re.IGNORECASE)


class Cluster(NamedTuple):
    """The private cluster's place and programs.

    Attributes:
        place: The directory with data, socket and log.
        data: The data directory.
        account: Whom PostgreSQL runs as, or None for ourselves.
    """

    place: Path
    data: Path
    account: Account | None

    def binaries(self, settings: Settings, major: int | None) -> Binaries:
        """Return the PostgreSQL for data of a major version; None: the one new data would get."""
        return find_binaries(settings.embedded, self.account, major, self.place)


def private_cluster(settings: Settings) -> Cluster:
    """Return the private cluster of `settings`, whether it exists or not.

    Raises:
        ConfigurationError: A database is configured, so there is none.
    """
    if settings.database.url is not None:
        raise ConfigurationError(
            "database.url: is set, so there is no private cluster to look after. Back up that "
            "server with its own tools (pg_dump, pg_basebackup, your provider's)."
        )
    place = settings.paths.state.absolute() / "postgresql"
    data = place / "data"
    return Cluster(place, data, choose_account(settings.embedded.user, data))


def major_of(data: Path) -> int:
    """Return the major version of existing data.

    Raises:
        ConfigurationError: There is none.
    """
    major = data_version(data)
    if major is None:
        raise ConfigurationError(
            f"state_directory: there is no private cluster in {data}; say with --config or --set "
            "state_directory=… which one you mean."
        )
    return major


@contextmanager
def stopped(settings: Settings) -> Iterator[None]:
    """Hold the state directory, so that the service neither runs nor starts.

    Raises:
        ResourceTakenError: It runs.
    """
    state = settings.paths.state
    try:
        lock = DirectoryLock(state)
        lock.__enter__()
    except ResourceTakenError as error:
        raise ResourceTakenError(
            f"{error} Under systemd: systemctl stop autogpt-db.socket autogpt-db.service."
        ) from None
    try:
        yield
    finally:
        _hand_over(settings.paths.state)
        lock.__exit__(None, None, None)


@contextmanager
def serving(settings: Settings) -> Iterator[None]:
    """See to it that the private PostgreSQL runs: the service's, or one for as long as this takes.

    Raises:
        ConfigurationError, DatabaseUnreachableError: It cannot be started.
    """
    try:
        lock = DirectoryLock(settings.paths.state)
        lock.__enter__()
    except ResourceTakenError:
        yield
        return
    try:
        server = EmbeddedServer.start(settings.paths.state, settings.embedded)
        try:
            yield
        finally:
            server.stop()
    finally:
        _hand_over(settings.paths.state)
        lock.__exit__(None, None, None)


def _hand_over(state: Path) -> None:
    """Give what root has made to the account that the state directory belongs to.

    An administrator runs these commands as root, and the service, which is another account under
    systemd, has to get on with what they leave: the lock, the log, the directories.
    """
    owner = state.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        return
    place = state / "postgresql"
    for path in (state / "lock", place, place / "postgresql.log"):
        if path.exists():
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def prove(settings: Settings) -> None:
    """Start the private PostgreSQL on its data, look whether this program can serve it, end it.

    The caller holds the state directory.

    Raises:
        MaintenanceError: It cannot; the message says why.
    """
    from autogpt_db.database.provisioning.migration import pending

    try:
        server = EmbeddedServer.start(settings.paths.state, settings.embedded)
        try:
            with connect(settings) as connection:
                pending(connection, schema_name=database_url(settings).schema, create=True)
        finally:
            server.stop()
    except (ConfigurationError, DatabaseUnreachableError, SchemaError) as error:
        raise MaintenanceError(str(error)) from None


def connect(settings: Settings) -> psycopg.Connection[tuple[Any, ...]]:
    """Return a connection to the private PostgreSQL.

    Raises:
        DatabaseUnreachableError: It doesn't answer.
    """
    import psycopg

    url = database_url(settings)
    conninfo = url.conninfo(
        connect_timeout=settings.database.connect_timeout, application_name="autogpt-db maintenance"
    )
    try:
        return psycopg.connect(conninfo, autocommit=True, prepare_threshold=None)
    except psycopg.OperationalError as error:
        from autogpt_db.database.reasons import reason_of

        raise DatabaseUnreachableError(
            f"The private PostgreSQL at {url.address} does not answer: {reason_of(error, url)}. "
            "If the service is starting, try again when it is ready."
        ) from None


def connection_options(settings: Settings) -> list[str]:
    """Return how PostgreSQL's own programs reach the private server."""
    socket = settings.paths.state.absolute() / "postgresql" / "socket"
    return [f"--host={socket}", "--port=5432", f"--username={EMBEDDED_NAME}"]


def run_tool(
    command: Sequence[str],
    account: Account | None,
    *,
    cwd: Path | None = None,
    on_line: Callable[[str], object] = lambda _line: None,
) -> None:
    """Run one of PostgreSQL's programs, however long it takes; it ends when this process does.

    Args:
        command: Its command line.
        account: Whom to run it as; None: ourselves.
        cwd: Its working directory.
        on_line: Gets each line it writes.

    Raises:
        MaintenanceError: It failed; the message has its own words.
    """
    name = Path(command[0]).name
    said: list[str] = []
    with ExitStack() as stack:
        try:
            process = stack.enter_context(
                running(
                    command,
                    account,
                    cwd=cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                )
            )
        except OSError as error:
            raise MaintenanceError(f"{command[0]} cannot be started: {error.strerror}.") from None
        assert process.stdout is not None
        rest = b""
        while piece := os.read(process.stdout.fileno(), 65536):
            *lines, rest = _LINE_END.split(rest + piece)
            for line in lines:
                text = line.decode("utf-8", "replace").strip()
                said[:] = [*said[-199:], text] if text else said
                on_line(text)
        code = process.wait()
    if code != 0:
        said.append(rest.decode("utf-8", "replace").strip())
        # The first of what looks like a reason, else the last of what was said.
        telling = [line for line in said if _TELLING.search(line)][:3]
        words = "; ".join(telling or [line for line in said if line][-3:]) or f"exit code {code}"
        raise MaintenanceError(f"{name} failed: {words.rstrip('.')}.")
