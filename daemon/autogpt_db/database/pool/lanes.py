"""Lanes: how many of a pool's connections one kind of work may hold at once.

A heavy read (lists, reports) keeps its connection a hundred times as long as a short call. Without
a bound, a few dashboards would have every connection, and all short calls would wait behind them.
"""

from __future__ import annotations

import asyncio

from autogpt_db.errors import DatabaseUnavailableError, PoolExhaustedError


class Lane:
    """A bounded number of places, with a bounded queue before them.

    Args:
        size: Calls that may hold a connection at once.
        most_waiting: Calls that may wait for a place; one more is refused at once.

    Attributes:
        size: As given.
        in_use: Places taken.
        waiting: Calls that wait for one.
    """

    def __init__(self, size: int, most_waiting: int) -> None:
        self.size = size
        self.in_use = 0
        self.waiting = 0
        self._most_waiting = most_waiting
        self._places = asyncio.Semaphore(size)

    async def enter(self, seconds: float) -> None:
        """Take a place, in order of arrival; `leave` must follow.

        Args:
            seconds: Most that it is waited for.

        Raises:
            PoolExhaustedError: Too many wait already.
            DatabaseUnavailableError: None became free in time.
        """
        if self.waiting >= self._most_waiting:
            raise PoolExhaustedError(
                "Too many calls that read much are waiting; try again shortly."
            )
        self.waiting += 1
        try:
            async with asyncio.timeout(seconds):
                await self._places.acquire()
        except TimeoutError:
            raise DatabaseUnavailableError(
                "No database connection for calls that read much became free in time; try again "
                "shortly.",
                retry_after=2.0,
            ) from None
        finally:
            self.waiting -= 1
        self.in_use += 1

    def leave(self) -> None:
        """Give the place back."""
        self.in_use -= 1
        self._places.release()
