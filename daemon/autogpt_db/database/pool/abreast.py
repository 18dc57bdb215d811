"""How many batches of all kinds together are under way."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from autogpt_db.database.pool.batches import MergedCall

FEW = 16
"""Calls up to which none is held back: it would wait for company that doesn't come."""
BRIEF = 0.05
"""Seconds after which a batch no longer counts.

It waits for a row, or for a disk: for others that is no reason to wait as well.
"""


class Abreast:
    """The batches and lone calls under way, of all kinds of writes that share a pool.

    To commit costs PostgreSQL more than most of what is committed. Of many kinds, each with some
    batches under way, most would be small. So few are under way at once, kinds that are held back
    take turns, and each takes in what comes meanwhile.
    """

    def __init__(self, most: int) -> None:
        """Start with none.

        Args:
            most: So many that no further one begins.
        """
        self._most = most
        self._calls = 0
        self._begun: dict[MergedCall, float] = {}
        self._held: dict[Callable[[], None], None] = {}
        self._aging: asyncio.TimerHandle | None = None

    @property
    def room(self) -> bool:
        """Tell whether another one may begin."""
        return len(self._begun) < self._most or self._calls <= FEW

    def enter(self) -> None:
        """Count a call that comes in; `leave` must follow."""
        self._calls += 1

    def leave(self) -> None:
        """Count it no longer, and start whom there is room for now."""
        self._calls -= 1
        self._start_held()

    def begin(self, first: MergedCall, moment: float) -> None:
        """Count a batch; `end` must follow.

        Args:
            first: Its first call.
            moment: That of `time.monotonic()`.
        """
        self._begun[first] = moment

    def end(self, first: MergedCall) -> None:
        """Count it no longer, and start whom there is room for now.

        Args:
            first: Its first call.
        """
        self._begun.pop(first, None)
        self._start_held()

    def hold(self, start: Callable[[], None]) -> None:
        """Note a kind that there is no room for.

        Args:
            start: Called in its turn; in vain, where nothing waits any more.
        """
        self._held[start] = None
        if self._aging is None:
            self._watch()

    def _start_held(self) -> None:
        while self._held and self.room:
            start = next(iter(self._held))
            del self._held[start]
            start()

    def _watch(self) -> None:
        oldest = next(iter(self._begun.values()))
        left = max(0.0, oldest + BRIEF - time.monotonic())
        self._aging = asyncio.get_running_loop().call_later(left, self._age)

    def _age(self) -> None:
        self._aging = None
        since = time.monotonic() - BRIEF
        for first in [first for first, moment in self._begun.items() if moment <= since]:
            del self._begun[first]
        self._start_held()
        if self._held:
            self._watch()
