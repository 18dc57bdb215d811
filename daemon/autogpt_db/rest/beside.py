"""Large replies, made beside the event loop: one at a time, and few wait for that."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from autogpt_db.errors import MemoryExhaustedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.responses import Response

LARGE = 1024 * 1024
"""Bytes that were read of which a reply is made here: it takes 50 ms and more."""
MOST = 4
"""That are being made or wait; what they have read is in memory meanwhile."""


class Beside:
    """The one thread that makes them."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(1)
        self._under_way = 0

    async def made(self, make: Callable[[], Response]) -> Response:
        """Return a reply.

        Args:
            make: Makes it.

        Raises:
            MemoryExhaustedError: As many are being made, or wait, as may.
        """
        if self._under_way >= MOST:
            raise MemoryExhaustedError(
                f"{MOST} large documents are being made ready; ask again shortly, or for fewer at "
                "once."
            )
        self._under_way += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(make)
        finally:
            self._under_way -= 1
