"""`GET /metrics`: what all processes of the service on this host have counted and measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from autogpt_db.database.pool.metrics import PoolMetrics
from autogpt_db.database.pool.scraping import Scraping
from autogpt_db.gateways.failures import GatewayMetrics
from autogpt_db.metrics import families
from autogpt_db.metrics.exposition import CONTENT_TYPE

if TYPE_CHECKING:
    from starlette.requests import Request

    from autogpt_db.api.running import State
    from autogpt_db.database.pool import Pool
    from autogpt_db.helpers import Helpers
    from autogpt_db.metrics import Store
    from autogpt_db.settings import Settings


class Metrics:
    """Publishes this process's figures, and answers for all.

    Args:
        database: The process's pool.
        settings: Where the others' figures are, and how old the database's may be.
        state: The process's connections and requests.
        store: Its own figures.
        helpers: The processes that help it.
    """

    def __init__(
        self,
        database: Pool,
        settings: Settings,
        state: State,
        store: Store,
        helpers: Helpers,
    ) -> None:
        self._state = state
        self._helpers = helpers
        self._store = store
        self._pool = PoolMetrics(database, store)
        self._gateways = GatewayMetrics(store)
        self._scraping = Scraping(database, settings, store)

    def publish(self) -> None:
        """Write down what isn't counted as it happens."""
        state = self._state
        self._store.set(families.IN_FLIGHT, len(state.running))
        self._store.set(families.HTTP_CONNECTIONS, len(state.connections))
        self._store.set(families.MEMORY_HELD, state.memory.held)
        self._store.set(families.HELPERS, self._helpers.running)
        self._pool.publish()
        self._gateways.publish()

    async def reply(self, _request: Request) -> Response:
        """Answer a scrape."""
        self.publish()
        return Response(await self._scraping.text(), headers={"content-type": CONTENT_TYPE})

    async def close(self) -> None:
        """Stop asking the database."""
        await self._scraping.close()
