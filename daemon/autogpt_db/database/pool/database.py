"""What an operation speaks to PostgreSQL through, and learns of it."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from autogpt_db.database.pool.statements import Statements
from autogpt_db.errors import SchemaUnreadError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from contextlib import AbstractAsyncContextManager
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities
    from autogpt_db.database.pool.connections import Connections
    from autogpt_db.database.pool.knowledge import Knowledge
    from autogpt_db.database.pool.merged import Merged
    from autogpt_db.settings import Settings

LARGEST_COMPUTED_HERE = 16_384
"""Bytes that a computation may have to look at on the event loop."""
_SET_SEARCH_PATH: LiteralString = "SELECT pg_catalog.set_config('search_path', %(path)s, true)"


class Database(Statements):
    """What an operation receives: a call, a transaction in one, or a job's run."""

    __slots__ = ("_connections",)

    _connections: Connections

    @property
    @abstractmethod
    def statements(self) -> int:
        """Return how many statements it has sent."""

    @abstractmethod
    def transaction(self) -> AbstractAsyncContextManager[Database]:
        """Run several statements as one transaction, on one connection.

        Nothing inside is repeated: a connection that dies ends the whole transaction.
        """

    @abstractmethod
    def another_call(self, name: str, *, reads: bool) -> Database:
        """Return what another call goes through, which may last longer than this one.

        Args:
            name: Its operation, for figures and logs.
            reads: Whether its statements only read.
        """

    async def merged(self, merged: Merged, parameters: Mapping[str, Any]) -> bytes | None:
        """Return a document like `json`, its statement merged with those of other calls.

        Inside a transaction, and in a job, it is sent by itself.
        """
        return await self.json(merged.single, parameters)

    @property
    def settings(self) -> Settings:
        """Return the configuration in effect."""
        return self._connections.settings

    @property
    def schema(self) -> str:
        """Return the name of AutoGPT's schema, quoted."""
        return self._connections.schema

    @property
    def capabilities(self) -> Capabilities:
        """Return what AutoGPT's schema has, as it was read last.

        Raises:
            SchemaUnreadError: It has not been read yet.
        """
        found = self._connections.knowledge.capabilities
        if found is None:
            raise SchemaUnreadError
        return found

    @property
    def knowledge(self) -> Knowledge:
        """Return what this process knows of AutoGPT's schema."""
        return self._connections.knowledge

    async def computed(self, size: int, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return what a function returns, computed beside the event loop when it may take long.

        Args:
            size: Bytes that it has to look at.
            function: A module's, of ours, without effect on anything.
            arguments: Its own, and what can be pickled.

        Raises:
            AutogptDbError: What the function raised; or it took too much time or memory.
        """
        helpers = self._connections.helpers
        if helpers is None or size <= LARGEST_COMPUTED_HERE:
            return function(*arguments)
        return await helpers.run(function, *arguments, size=size)

    @asynccontextmanager
    async def with_search_path(self) -> AsyncIterator[Database]:
        """Run statements with names that have no schema: pgvector's, or in functions of AutoGPT's.

        Sessions of our own find them, unless pgvector is in a schema that nobody thinks of. Behind
        a transaction pooler they are the pooler's. There what they search has to be said in each
        transaction.
        """
        url = self._connections.url
        catalogue = self.knowledge.catalogue
        places = url.search_path_to(catalogue.vectors if catalogue else None)
        if places == url.search_path and not url.pgbouncer:
            yield self
            return
        async with self.transaction() as inside:
            await inside.row(_SET_SEARCH_PATH, {"path": places})
            yield inside
