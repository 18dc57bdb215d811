"""What requests bring, in one process: how much of it is held, and where it is read."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from autogpt_db.api.decoding import Decoding
from autogpt_db.api.memory import LARGE, LARGE_AT_ONCE, Memory
from autogpt_db.errors import MemoryExhaustedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from autogpt_db.database.pool.knowledge import Knowledge
    from autogpt_db.helpers import Helpers
    from autogpt_db.metrics import Store
    from autogpt_db.settings import Settings


class Bodies:
    """The bodies of one process.

    Attributes:
        memory: What is held.
        decoding: Where they are read.
    """

    def __init__(
        self, settings: Settings, helpers: Helpers, store: Store, knowledge: Knowledge
    ) -> None:
        """Begin with none.

        Args:
            settings: The bounds.
            helpers: Read what the loop should not.
            store: Where refusals are counted.
            knowledge: Which arguments the database has something for.
        """
        self.memory = Memory(settings.api.memory_limit, settings.api.body_limit, store)
        self.decoding = Decoding(helpers, settings.limits, knowledge)
        self._patience = settings.database.pool_timeout or settings.api.request_deadline
        # A large body is for a while in this process twice more, as parameter and on its way out.
        self._places = asyncio.Semaphore(LARGE_AT_ONCE)

    @asynccontextmanager
    async def place(self, size: int, deadline: float) -> AsyncIterator[None]:
        """Wait until a call may begin; few with large bodies are under way at once.

        Args:
            size: Bytes of its body.
            deadline: `time.monotonic()` moment after which nobody waits for it.

        Raises:
            MemoryExhaustedError: Others with large bodies take too long.
        """
        if size < LARGE:
            yield
            return
        patience = min(self._patience, max(0.0, deadline - time.monotonic()))
        try:
            async with asyncio.timeout(patience):
                await self._places.acquire()
        except TimeoutError:
            raise MemoryExhaustedError(
                "Calls with large bodies wait for others of their kind; try again shortly.",
                retry_after=2.0,
            ) from None
        try:
            yield
        finally:
            self._places.release()
