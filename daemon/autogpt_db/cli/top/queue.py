"""What `top` shows of the background jobs: what `autogpt-db jobs list` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, LiteralString

from autogpt_db.errors import AutogptDbError

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

    from autogpt_db.settings import Settings

# How long PostgreSQL may take; of the transaction alone, for there may be a pooler in between.
_BOUND: LiteralString = "SET LOCAL statement_timeout = '2s'"


class Queue:
    """The looks, on a connection that is kept between them.

    Args:
        load: What reads the settings.
    """

    def __init__(self, load: Callable[[], Settings]) -> None:
        self._load = load
        self._connection: psycopg.Connection[Any] | None = None

    def look(self) -> dict[str, Any]:
        """Return `jobs`, as `autogpt-db jobs list --json` does, or why they are `unknown`."""
        import psycopg

        from autogpt_db.database.command_failures import command_failure

        try:
            return {"jobs": self._rows()}
        except AutogptDbError as error:
            return {"unknown": str(error)}
        except psycopg.Error as error:
            self.close()
            failure = command_failure(error)
            return {"unknown": str(failure or error.diag.message_primary or "It took too long.")}

    def close(self) -> None:
        """Close the connection; the next look opens another one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _rows(self) -> list[dict[str, Any]]:
        from autogpt_db.cli.connecting import connect
        from autogpt_db.worker.administration import Administration
        from autogpt_db.worker.registry import discover

        if self._connection is None:
            self._connection, _ = connect(self._load(), "top")
        with self._connection.transaction():
            self._connection.execute(_BOUND)
            rows = Administration(self._connection, discover()).overview()
        for row in rows:
            del row["last_result"]
        return rows
