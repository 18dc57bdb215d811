"""What a check finds, and what all checks may look at."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from autogpt_db.cli.runtime import runtime_of
from autogpt_db.errors import AutogptDbError, ConfigurationError
from autogpt_db.settings import LoadedSettings, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from autogpt_db.cli.runtime import Loads
    from autogpt_db.database.causes import Refusal
    from autogpt_db.database.provisioning.rights import Closed
    from autogpt_db.database.url import DatabaseUrl


class Finding(NamedTuple):
    """What one check found.

    Attributes:
        level: `fail` keeps the service from doing its work, or soon will.
        check: The check's name.
        text: What was found, without a full stop.
        remedy: What to do; empty when there is nothing.
    """

    level: Literal["ok", "warn", "fail"]
    check: str
    text: str
    remedy: str = ""


class Situation:
    """The installation as the checks see it: everything is looked up once.

    Args:
        sources: Where the settings are.

    Attributes:
        problems: What is wrong with the settings.
        connection_problem: Why there is no connection to the database.
        service_problem: Why the service doesn't answer.
        failed: Whether a check has failed already, beside that of the unit, which shows it.
    """

    def __init__(self, sources: Loads) -> None:
        self._sources = sources
        self.problems: tuple[str, ...] = ()
        self.connection_problem = ""
        self.refusal: Refusal | None = None
        self.service_problem = ""
        self.failed = False

    def close(self) -> None:
        """Close the connection to the database, if there is one."""
        connection = self.__dict__.get("connection")
        if connection is not None:
            connection.close()

    def lose(self, error: psycopg.Error) -> Iterator[Finding]:
        """Do without the database from here on, since a check's statement failed; say why once."""
        from autogpt_db.database.session import UNREADABLE, told, too_short

        connection, self.connection = self.connection, None
        if connection is None:
            return
        name = too_short(error)
        given = self.target.parameters
        if name is None:
            text = f"the database refuses what a check asks: {error}"
            yield Finding("fail", "database", text, "Look at PostgreSQL's log.")
        else:
            who, where = given.get("user", "…"), given.get("dbname", "…")
            yield Finding("fail", "session settings", told([(name, UNREADABLE)], who, where))
        connection.close()

    def sessions(self) -> Iterator[tuple[psycopg.Connection[tuple[Any, ...]], bool]]:
        """Yield a session of each kind that processes have, and whether it is a pooler's."""
        from autogpt_db.database.url import database_url

        if self.connection is None:
            return
        yield self.connection, self.target.pgbouncer
        url = database_url(self.settings)
        if url.pgbouncer and not self.target.pgbouncer:
            with self._connected(url) as connection:
                yield connection, True

    @cached_property
    def loaded(self) -> LoadedSettings:
        """Return the settings; the defaults where they are at fault, and then `problems`."""
        try:
            return self._sources.load()
        except ConfigurationError as error:
            self.problems = error.problems
            return LoadedSettings(Settings(), {}, [])

    @property
    def given(self) -> bool:
        """Tell whether command line or environment configure anything beside the files."""
        return self._sources.given

    @property
    def settings(self) -> Settings:
        """Return the settings."""
        return self.loaded.settings

    @cached_property
    def tree(self) -> dict[str, Any] | None:
        """Return the running service's status; None where none answers, with `service_problem`."""
        from autogpt_db.supervision.status import read_status

        try:
            return read_status(runtime_of(self._sources))
        except AutogptDbError as error:
            self.service_problem = str(error)
            return None

    @cached_property
    def target(self) -> DatabaseUrl:
        """Return where the database is."""
        from autogpt_db.database.url import direct_database_url

        return direct_database_url(self.settings)

    @cached_property
    def connection(self) -> psycopg.Connection[tuple[Any, ...]] | None:
        """Return a connection to the database; None, with `connection_problem`, without one."""
        import psycopg

        from autogpt_db.database.causes import refusal_of
        from autogpt_db.database.reasons import raw_reason, reason_of
        from autogpt_db.errors import ConfigurationError

        try:
            self.target.verify_files()
            return self._through_pooler() if self.target.pgbouncer else self._connected(self.target)
        except psycopg.Error as error:
            self.connection_problem = reason_of(error, self.target)
            self.refusal = refusal_of(raw_reason(error))
        except ConfigurationError as error:
            self.connection_problem = str(error)
        return None

    def _through_pooler(self) -> psycopg.Connection[tuple[Any, ...]]:
        """Return a connection to a pooler, or raise why it has none to its server.

        A pooler lets us in before it knows.
        """
        import psycopg

        from autogpt_db.database.causes import refusal_of
        from autogpt_db.database.reasons import raw_reason

        connection = self._connected(self.target)
        try:
            connection.execute("SELECT 1")
        except psycopg.Error as error:
            connection.close()
            refusal = refusal_of(raw_reason(error))
            if refusal is not None and refusal.trouble is not None:
                raise
            return self._connected(self.target)  # the checks say what it is
        return connection

    @cached_property
    def closed(self) -> tuple[Closed, ...]:
        """Return what of ours our role may not use; nothing without a connection."""
        from autogpt_db.database.provisioning.rights import closed_to_us

        return () if self.connection is None else closed_to_us(self.connection)

    def _connected(self, target: DatabaseUrl) -> psycopg.Connection[tuple[Any, ...]]:
        from autogpt_db.database.hosts import connect

        conninfo = target.conninfo(
            connect_timeout=self.settings.database.connect_timeout,
            application_name="autogpt-db doctor",
            statement_timeout="10s",
        )
        return connect(conninfo)
