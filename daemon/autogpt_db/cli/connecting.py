"""A connection for a command that works on the database itself, beside the daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autogpt_db.errors import DatabaseUnreachableError

if TYPE_CHECKING:
    import psycopg

    from autogpt_db.database.url import DatabaseUrl
    from autogpt_db.settings import Settings


def connect(settings: Settings, name: str) -> tuple[psycopg.Connection[Any], DatabaseUrl]:
    """Return a connection in autocommit mode, and where it leads to.

    Args:
        settings: Where the database is.
        name: The command, for `pg_stat_activity`.

    Raises:
        ConfigurationError: A file that TLS needs is missing, or we are refused for good.
        DatabaseUnreachableError: Nobody answers there.
    """
    import psycopg

    from autogpt_db.database.causes import lasting_failure
    from autogpt_db.database.reasons import reason_of
    from autogpt_db.database.url import direct_database_url

    target = direct_database_url(settings)
    target.verify_files()
    conninfo = target.conninfo(
        connect_timeout=settings.database.connect_timeout,
        application_name=f"autogpt-db {name}",
    )
    try:
        connection = psycopg.connect(conninfo, autocommit=True, prepare_threshold=None)
    except psycopg.OperationalError as error:
        reason = reason_of(error, target)
        if lasting := lasting_failure(reason, target, "database.url"):
            raise lasting from None
        start = "start the daemon first: autogpt-db run" if target.embedded else "is it running?"
        raise DatabaseUnreachableError(
            f"PostgreSQL at {target.address} does not answer ({reason}); {start}"
        ) from None
    return connection, target
