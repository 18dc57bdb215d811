"""The database, proven usable before anything serves it.

`DatabaseManager` is what main owns: synchronous, and once entered it holds no connection and no
thread, so that Supervisor can fork safely. Every child opens its own `pool.Pool`.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import psycopg

from autogpt_db.database.encryption import verify_key
from autogpt_db.database.provisioning.awaiting import ServerAwaited
from autogpt_db.database.provisioning.directory_lock import DirectoryLock
from autogpt_db.database.provisioning.embedded import EmbeddedServer
from autogpt_db.database.provisioning.migration import migrate, pending_upgrade
from autogpt_db.database.provisioning.platform_tables import platform_tables
from autogpt_db.database.reasons import reason_of
from autogpt_db.database.session import check_encoding, check_settings, check_version
from autogpt_db.database.url import database_url, direct_database_url
from autogpt_db.errors import (
    DatabaseUnreachableError,
    RightsError,
    SchemaAwaitedError,
    SchemaError,
)
from autogpt_db.logs.events import starting as log

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from autogpt_db.database.provisioning.migration import MigrationOutcome
    from autogpt_db.database.schema import Needed
    from autogpt_db.settings import Settings

_LOOK_AGAIN = 1.0
"""Seconds between two looks whether AutoGPT's migrations have come so far."""


class DatabaseManager:
    """Prove the database usable, and own the embedded server where there is one.

    Entering starts the embedded PostgreSQL when no URL is configured, waits for the server to
    answer and for AutoGPT's migrations, and migrates what is ours. Leaving ends the embedded server
    if nobody has yet.

    Attributes:
        settings: The settings it was made with.
        url: Where the database is.
        awaited: The server, for as long as a start waits for it.
        embedded: The running embedded server, for supervision to adopt; None with a URL.
        outcome: What was migrated; None before it was entered.

    Raises:
        ConfigurationError: The URL, the credentials, the server's version or the encryption key
            are at fault.
        DatabaseUnreachableError: No answer within `database.startup_timeout`.
        ResourceTakenError: Another live daemon owns the state directory.
        SchemaError: The schema is incomplete, or newer than this program.
        SchemaAwaitedError: It is to come from AutoGPT's migrations, and `wait` is false.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        notify: Callable[[str], object] = lambda _words: None,
        needed: Needed | None = None,
        wait: bool = True,
        create: bool = False,
        upgrade: bool = False,
    ) -> None:
        """Take what entering needs.

        Args:
            settings: Where the database is, and how it is used.
            notify: Gets words on what is being waited for.
            needed: What must be there; None: only what is ours is looked at.
            wait: Wait for AutoGPT's migrations, as long as it takes.
            create: Make AutoGPT's tables where there are none, whatever the settings say.
            upgrade: Bring AutoGPT's tables, where we made them, to those of a later release. The
                private cluster's are at each start.
        """
        self.settings = settings
        self.outcome: MigrationOutcome | None = None
        self._needed = needed
        self._wait = wait
        self._create = create
        self._upgrade = upgrade
        self.url = database_url(settings)
        self.awaited = ServerAwaited(settings.database, notify)
        self.embedded: EmbeddedServer | None = None
        self.server_version = 0
        self._notify = notify
        self._resources = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as resources:
            if self.url.embedded:
                state = self.settings.paths.state
                resources.enter_context(DirectoryLock(state))
                self._notify("starting the embedded PostgreSQL")
                self.embedded = EmbeddedServer.start(state, self.settings.embedded)
                resources.callback(self.embedded.stop)
            self.prove()
            self._resources = resources.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._resources.close()

    def prove(self) -> None:
        """Wait for the server, check its version and the encryption key, migrate the schema."""
        direct = direct_database_url(self.settings)
        self.server_version = self.awaited.have(direct, self._checked)
        if self.url.pgbouncer and not direct.pgbouncer:
            like_ours = partial(check_settings, setting="database.url", pooled=True)
            self.awaited.have(self.url, like_ours)
        outcome = self.outcome = self._migrated()
        if outcome.applied:
            log.schema_migrated(applied=outcome.applied)
        if outcome.mended:
            log.ours_mended(items=outcome.mended)
        for left in outcome.left:
            log.ours_differs(what=left.what, remedy=left.remedy)
        for (table, reason), count in outcome.kept_aside.items():
            log.rows_kept_aside(
                table=table,
                count=count,
                reason=reason,
                place="autogpt_db.row_kept_aside",
            )
        log.database_ready(
            address=self.url.address,
            server=self.server,
            schema=self.url.schema,
        )

    def _checked(self, connection: psycopg.Connection[Any]) -> int:
        """Return the version of a server that can be worked with."""
        version = connection.info.server_version
        check_version(version, self.url.address)
        check_encoding(connection, "database.url")
        pooled = direct_database_url(self.settings).pgbouncer
        check_settings(connection, "database.url", pooled=pooled)
        return version

    def _migrated(self) -> MigrationOutcome:
        """Migrate what is ours as soon as AutoGPT's tables are there."""
        awaited = ""
        deadline = time.monotonic() + self.settings.database.startup_timeout
        while True:
            with self.connect() as connection:
                self._notify("checking the schema")
                try:
                    return self._migrate(connection)
                except psycopg.OperationalError as error:
                    for_whom, reason = "PostgreSQL", reason_of(error, self.url)
                    if time.monotonic() > deadline:
                        raise DatabaseUnreachableError(
                            f"PostgreSQL at {self.url.address} answers, but ends what the start "
                            f"needs: {reason}. See to that, or to its timeouts."
                        ) from error
                except (SchemaError, psycopg.ProgrammingError) as error:
                    refusal = self.refused(error)
                    if not self._wait or not self._may_mend_itself(connection, refusal):
                        raise refusal from error
                    for_whom, reason = "AutoGPT's migrations", str(refusal)
                    deadline = time.monotonic() + self.settings.database.startup_timeout
            if reason != awaited and for_whom == "PostgreSQL":
                log.waiting_for_database(address=self.url.address, reason=reason)
            elif reason != awaited:
                log.waiting_for_migrations(address=self.url.address, reason=reason)
            awaited = reason
            self._notify(f"waiting for {for_whom}: {reason}")
            time.sleep(_LOOK_AGAIN)

    @staticmethod
    def refused(error: SchemaError | psycopg.ProgrammingError) -> SchemaError:
        """Return the failure that a refused statement of the start stands for."""
        if isinstance(error, SchemaError):
            return error
        what = error.diag.message_primary or "a statement of the start was refused"
        if isinstance(error, psycopg.errors.InsufficientPrivilege):
            return RightsError(
                f"PostgreSQL refuses our role what the start needs: {what}",
                "GRANT it.",
                whose="the owner of what it names",
            )
        return SchemaError(
            f"PostgreSQL refuses what the start needs: {what}. What is ours lives in the schema "
            "autogpt_db: something there is another's, or has been changed. Rename or drop what "
            "is named, then `autogpt-db migrate`. Nothing has been changed."
        )

    def _migrate(self, connection: psycopg.Connection[Any]) -> MigrationOutcome:
        private = self.url.embedded
        upgrade = self._upgrade
        if private and pending_upgrade(connection, schema_name=self.url.schema):
            from autogpt_db.database.provisioning.embedded.tables_upgrade import saved

            upgrade = saved(self.settings, connection, notify=self._notify)
        outcome = migrate(
            connection,
            schema_name=self.url.schema,
            create=private or self._create or self.settings.database.create_tables,
            upgrade=upgrade,
            needed=self._needed,
        )
        try:
            verify_key(connection, self.settings, self.url.schema)
        except psycopg.errors.InsufficientPrivilege as error:
            # Whose methods lack the right are named already; others do without.
            log.encryption_key_unchecked(reason=error.diag.message_primary)
        return outcome

    def _may_mend_itself(self, connection: psycopg.Connection[Any], error: SchemaError) -> bool:
        """Tell whether AutoGPT's migrations may still bring what is missing."""
        if isinstance(error, SchemaAwaitedError):
            return True
        if isinstance(error, RightsError):
            return False
        try:
            tables = platform_tables(connection, self.url.schema)
        except psycopg.OperationalError:
            return True  # an outage came between; the next look says more
        return tables.by_autogpt and not tables.settled

    @property
    def server(self) -> str:
        """Return the proven server's name and version: `PostgreSQL 18.1`."""
        return f"PostgreSQL {self.server_version // 10000}.{self.server_version % 10000}"

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """Return a new connection to the primary, waiting for it up to the start-up timeout."""
        return self.awaited.connect(direct_database_url(self.settings))
