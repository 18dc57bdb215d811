"""The operations without HTTP: bodies in, replies out, over the pool on a real database."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Self

import psycopg

from autogpt_db.database.capabilities import Capabilities
from autogpt_db.database.pool import Pool
from autogpt_db.database.releases import RELEASES, catalogue_of, first_release_of
from autogpt_db.errors import CallError
from autogpt_db.operations import load_operations
from autogpt_db.settings import DatabaseSettings, Secret, Settings
from declared_replies import check_reply
from learned import learn
from postgres_server import with_schema

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from autogpt_db.database.pool.merging import Merger

OPERATIONS = load_operations()

_FIRST = catalogue_of("v0.6.48")
SERVED = {
    name: operation
    for name, operation in OPERATIONS.items()
    if not operation.needs(Capabilities.of(_FIRST)).lacks(_FIRST)
}
"""Those that AutoGPT v0.6.48's tables have all for, which tests start from."""

FIRST = {
    name: operation
    for name, operation in SERVED.items()
    if first_release_of(name) in {RELEASES[0].name, None}
}
"""Those of them that v0.6.48 calls, or nobody: they are played on its tables and rows."""

LATER = sorted(OPERATIONS.keys() - FIRST.keys())
"""All others: they are played on the tables and rows of the latest release."""


class Service:
    """Calls operations as the API does, and looks at the database from outside.

    With `copy_of` the database is a copy of that template, whose schema nobody has changed yet.

    Attributes:
        statements: What the last single call sent to PostgreSQL, in number.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 4,
        pool_max_waiting: int = 200,
        lock_timeout: float = 10.0,
        statement_timeout: float = 55.0,
        through: str | None = None,
        copy_of: str | None = None,
        **sections: Any,
    ) -> None:
        self.url = url
        self._copy_of = copy_of
        self.settings = Settings(
            database=DatabaseSettings(
                url=Secret(with_schema(through or url)),
                pool_size=pool_size,
                pool_max_waiting=pool_max_waiting,
                lock_timeout=lock_timeout,
                statement_timeout=statement_timeout,
            ),
            **sections,
        )
        self.statements = 0
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        self._runner.__enter__()
        self._opened = Pool.open(self.settings)
        self.pool = self._runner.run(self._opened.__aenter__())
        assert self._runner.run(learn(self.pool, self._copy_of, seconds=30.0)), (
            "the database did not answer"
        )
        self._outside = psycopg.connect(self.url, autocommit=True)
        self._outside.execute("SET search_path TO platform, public")
        return self

    def __exit__(self, *error: object) -> None:
        self._outside.close()
        self._runner.run(self._opened.__aexit__(None, None, None))
        self._runner.__exit__(*error)

    def call(self, method: str, **arguments: Any) -> Any:
        """Return the reply's value, or raise the call's failure."""
        return self.send(method, json.dumps(arguments).encode())

    def send(self, method: str, body: bytes) -> Any:
        """Return the reply to a body's bytes, or raise the call's failure."""
        value = json.loads(self.run(self.started(method, body)))
        check_reply(method, value)
        return value

    def answer(self, method: str, arguments: Any) -> tuple[int, Any]:
        """Return status and body as they would travel."""
        try:
            return 200, self.call(method, **arguments)
        except CallError as error:
            return error.status.value, json.loads(json.dumps(error.body()))

    def together(self, calls: Iterable[tuple[str, dict[str, Any]]]) -> list[Any]:
        """Start calls at once; return their replies or failures in order."""

        async def gathered() -> list[Any]:
            return await asyncio.gather(
                *(self.started(method, json.dumps(given).encode()) for method, given in calls),
                return_exceptions=True,
            )

        return [
            json.loads(reply) if isinstance(reply, bytes) else reply
            for reply in self.run(gathered())
        ]

    async def started(self, method: str, body: bytes) -> bytes:
        operation = OPERATIONS[method]
        arguments = operation.decode(body)
        operation.admit(arguments, self.capabilities)
        call = self.pool.call(method, reads=operation.reads)
        try:
            return await operation.call(call, arguments)
        finally:
            self.statements = call.statements

    def mergers(self) -> list[Merger]:
        """Return what merges calls in this process."""
        return self.pool.mergers()

    def run(self, awaitable: Awaitable[Any]) -> Any:
        async def main() -> Any:
            return await awaitable

        return self._runner.run(main())

    def learn(self) -> None:
        """Look whether the schema has changed, as a process does every two seconds."""
        self.run(self.pool.knowledge.look())

    @property
    def capabilities(self) -> Capabilities:
        """Return what the database has."""
        found = self.pool.knowledge.capabilities
        assert found is not None, "read when the pool was opened"
        return found

    def let_a_millisecond_pass(self) -> None:
        """Let what comes next be later than what was: moments have milliseconds, no finer ones."""
        self.rows("SELECT pg_sleep(0.002)")

    def rows(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """Run a statement of the test's own; AutoGPT's tables need no schema."""
        cursor = self._outside.execute(sql.encode(), parameters or None)
        return cursor.fetchall() if cursor.description else []

    def value(self, sql: str, **parameters: Any) -> Any:
        """Return the only value of a statement of the test's own."""
        ((found,),) = self.rows(sql, **parameters)
        return found
