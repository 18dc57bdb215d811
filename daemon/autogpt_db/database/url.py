"""Where PostgreSQL is: AutoGPT's DATABASE_URL, in Prisma's dialect, as libpq understands it.

Nothing loads the driver before a connection is to be made: every command reads the URL, and half
of what those take that ask the service alone would be the driver's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import msgspec

from autogpt_db.database.quoting import quoted
from autogpt_db.database.url_text import check_words, take_apart
from autogpt_db.database.url_tls import (
    PRISMA_WORDS,
    check_tls_files,
    translate_tls,
    with_authorities,
)
from autogpt_db.database.url_values import boolean, check_values, whole_number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autogpt_db.settings import Settings

EMBEDDED_NAME = "autogpt_db"
"""Both the superuser and the database of the embedded PostgreSQL."""

PRISMA_SCHEMA_DEFAULT = "public"
"""Prisma's own default when the URL names no schema (schema.md §1)."""

# Prisma's parameters that libpq does not know. The ones without an effect here are accepted,
# so that an operator can hand over AutoGPT's URL as it is.
_PRISMA_ONLY = frozenset(
    {
        "schema",
        "connection_limit",
        "pool_timeout",
        "pgbouncer",
        "socket_timeout",
        "statement_cache_size",
        "ssl",
        "max_connection_lifetime",
        "max_idle_connection_lifetime",
        "single_use_connections",
    }
    | PRISMA_WORDS
)
_SECRET = re.compile("password|secret|scram")

# A half-open connection (a host gone without a word) must not hold a request for hours.
_KEEPALIVE = {
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """A connection target: libpq's parameters, and what Prisma's parameters mean to us.

    Attributes:
        parameters: libpq connection parameters, without `options`.
        schema: The schema that AutoGPT's tables live in.
        pgbouncer: True behind a transaction pooler: no server-side prepared statements, no
            session state.
        connection_limit: Prisma's `connection_limit`, or None.
        pool_timeout: Prisma's `pool_timeout` in seconds (0: no limit), or None.
    """

    parameters: Mapping[str, str] = field(repr=False)
    schema: str = PRISMA_SCHEMA_DEFAULT
    pgbouncer: bool = False
    connection_limit: int | None = None
    pool_timeout: float | None = None
    embedded: bool = field(default=False)

    @classmethod
    def parse(cls, text: str, *, name: str = "database.url") -> DatabaseUrl:
        """Parse a URL or a libpq keyword string.

        Args:
            text: `postgresql://…` with Prisma's or libpq's parameters, or `key=value …`.
            name: What error messages call it.

        Raises:
            ConfigurationError: The text is not a connection string, can be read in two ways, or
                a parameter is unknown or malformed. The message never holds a part of the text:
                it may be a part of the password.
        """
        parts = take_apart(text, name)
        check_words([word for word, _ in parts.options], _PRISMA_ONLY, name)
        parameters = dict(parts.parameters)
        prisma: dict[str, str] = {}
        for word, value in parts.options:
            (prisma if word in _PRISMA_ONLY else parameters)[word] = value
        if prisma.get("ssl") == "true":
            parameters.setdefault("sslmode", "require")
        parameters = translate_tls(parameters, prisma, name)
        check_values(parameters, name)
        return cls(
            parameters=with_authorities(parameters),
            schema=prisma.get("schema") or PRISMA_SCHEMA_DEFAULT,
            pgbouncer=boolean(prisma, "pgbouncer", name),
            connection_limit=whole_number(prisma, "connection_limit", name),
            pool_timeout=whole_number(prisma, "pool_timeout", name),
        )

    def conninfo(self, *, connect_timeout: int, application_name: str, **options: str) -> str:
        """Return a libpq connection string.

        Args:
            connect_timeout: Seconds for one attempt, unless the URL says otherwise.
            application_name: What `pg_stat_activity` shows.
            options: Server settings for the session beside those that all of ours have. Behind a
                transaction pooler both are left out: its server connections are shared, and most
                poolers refuse them.
        """
        from autogpt_db.database.session import SETTINGS

        values: dict[str, str] = {
            "connect_timeout": str(connect_timeout),
            "application_name": application_name,
        }
        hosts = self.parameters.get("host", "")
        if hosts and not hosts.startswith("/"):
            values |= _KEEPALIVE
        if "," in hosts:
            # Of several hosts only the primary can serve writes; one that has been set to
            # read-only serves reads.
            values["target_session_attrs"] = "primary"
        values |= self.parameters
        # JSON is UTF-8, whatever role, database, URL or environment say.
        values["client_encoding"] = "UTF8"
        if not self.pgbouncer:
            settings = SETTINGS | options
            given = " ".join(f"-c {key}={_escape(value)}" for key, value in settings.items())
            values["options"] = " ".join(filter(None, [given, self.parameters.get("options")]))
        return _conninfo(values)

    def display(self, *, reveal: bool = False) -> str:
        """Return the target as a libpq URL for `psql`; the password masked unless `reveal`."""
        values = dict(self.parameters)
        user, password = values.pop("user", ""), values.pop("password", "")
        host, port = values.pop("host", ""), values.pop("port", "")
        database = values.pop("dbname", "")
        authority = quote(user, safe="")
        if password:
            authority += ":" + (quote(password, safe="") if reveal else "***")
        if authority:
            authority += "@"
        if host.startswith("/"):
            values = {"host": host} | values
            if port:
                values["port"] = port
        else:
            ports = port.split(",") if port else []
            names = host.split(",")
            authority += ",".join(
                f"{f'[{name}]' if ':' in name else name}"
                + (f":{ports[min(index, len(ports) - 1)]}" if ports else "")
                for index, name in enumerate(names)
            )
        if not reveal:
            values = {k: "***" if _SECRET.search(k) else v for k, v in values.items()}
        query = "?" + urlencode(values, quote_via=quote, safe="/") if values else ""
        return f"postgresql://{authority}/{quote(database, safe='')}{query}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the parameters that nobody may see."""
        return tuple(text for word, text in self.parameters.items() if _SECRET.search(word))

    @property
    def without_secrets(self) -> str:
        """Return libpq's connection string without what nobody may see."""
        return _conninfo(
            {word: text for word, text in self.parameters.items() if not _SECRET.search(word)}
        )

    @property
    def search_path_option(self) -> str:
        """Return libpq's option that puts AutoGPT's schema first in a session's search path."""
        return "-c search_path=" + _escape(self.search_path)

    @property
    def search_path(self) -> str:
        """Return where AutoGPT's own names are looked for, and those of its extensions."""
        return f"{quoted(self.schema)},public,extensions"

    def search_path_to(self, schema: str | None) -> str:
        """Return the search path, with a schema at its end that it doesn't have."""
        if schema is None or schema in {self.schema, "public", "extensions", "pg_catalog"}:
            return self.search_path
        return f"{self.search_path},{quoted(schema)}"

    def verify_files(self, name: str = "database.url") -> None:
        """Check that this account can read the files that TLS needs.

        Args:
            name: What error messages call the setting.

        Raises:
            ConfigurationError: One is missing, or nothing says whom to trust.
        """
        check_tls_files(self.parameters, name)

    @property
    def address(self) -> str:
        """Say where the server is, for people: `db.example:5432` or the socket directory."""
        host = self.parameters.get("host") or "localhost"
        port = self.parameters.get("port") or "5432"
        return host if host.startswith("/") else f"{host}:{port}"


def database_url(settings: Settings) -> DatabaseUrl:
    """Return the database that `settings` name: theirs, or the embedded one's fixed place."""
    if settings.database.url is not None:
        return DatabaseUrl.parse(settings.database.url.reveal())
    return DatabaseUrl(
        parameters={
            "host": str(settings.paths.state.absolute() / "postgresql" / "socket"),
            "port": "5432",  # or $PGPORT would name another socket
            "user": EMBEDDED_NAME,
            "dbname": EMBEDDED_NAME,
        },
        schema="platform",
        embedded=True,
    )


def with_url_parameters(settings: Settings) -> Settings:
    """Return `settings` with what the URL's Prisma parameters say, where no option says otherwise.

    Raises:
        ConfigurationError: A URL is malformed.
    """
    url = database_url(settings)
    direct_database_url(settings)
    given: dict[str, Any] = {}
    if url.connection_limit is not None and settings.database.connection_limit is None:
        given["connection_limit"] = max(2, url.connection_limit)
    if url.pool_timeout is not None:
        given["pool_timeout"] = url.pool_timeout
    if not given:
        return settings
    return msgspec.structs.replace(
        settings, database=msgspec.structs.replace(settings.database, **given)
    )


def direct_database_url(settings: Settings) -> DatabaseUrl:
    """Return the database reached without a pooler where the settings name one."""
    if settings.database.direct_url is not None:
        return DatabaseUrl.parse(settings.database.direct_url.reveal(), name="database.direct_url")
    return database_url(settings)


def _conninfo(parameters: Mapping[str, str]) -> str:
    from psycopg.conninfo import make_conninfo

    return make_conninfo("", **parameters)


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace(" ", "\\ ")
