"""How many batches of all kinds together are under way."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from autogpt_db.database.pool.batches import MergedCall

FEW = 16
"""Calls up to which none is held back where batches are slow: company would not come in time."""
QUICK = 0.002
"""Seconds: where batches take less, to wait for the end of one costs less than a statement more.

What takes longer waits for a disk or a network, and more at once wait no longer than one does.
"""
WRITES = 2
"""Batches that write at once, of all kinds, while they are quick: fewer commits, of more calls."""
STUCK = 0.01
"""Seconds after which a batch no longer counts where others are quick: it waits for a row."""
BRIEF = 0.05
"""The same where they are not: for others it is no reason to wait as well."""
_WEIGHT = 1 / 16
"""Of the batch that has ended last, in what they take."""
_MOST = 2 * QUICK
"""Seconds that one counts as at most there: a single one that is locked out says little."""


class Abreast:
    """The batches and lone calls under way, of all kinds that share places.

    To commit costs PostgreSQL more than most of what is committed. Of many kinds of writes, each
    with some batches under way, most would be small. So few are under way at once, kinds that are
    held back take turns, and each takes in what comes meanwhile.
    """

    def __init__(self, most: int, *, most_quick: int) -> None:
        """Start with none.

        Args:
            most: So many that no further one begins.
            most_quick: The same while batches are quick.
        """
        self._most = most
        self._most_quick = most_quick
        self._seconds = 0.0
        self._calls = 0
        self._begun: dict[MergedCall, float] = {}
        self._held: dict[Callable[[], None], None] = {}
        self._aging: asyncio.TimerHandle | None = None

    @property
    def quick(self) -> bool:
        """Tell whether the last batches have taken so little that to wait for one pays."""
        return self._seconds < QUICK

    @property
    def room(self) -> bool:
        """Tell whether another one may begin."""
        if self.quick:
            return len(self._begun) < self._most_quick
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
        moment = self._begun.pop(first, None)
        if moment is not None:
            self._note(time.monotonic() - moment)
        self._start_held()

    def hold(self, start: Callable[[], None]) -> None:
        """Note a kind that there is no room for.

        Args:
            start: Called in its turn; in vain, where nothing waits any more.
        """
        self._held[start] = None
        if self._aging is None:
            self._watch()

    def _note(self, seconds: float) -> None:
        self._seconds += _WEIGHT * (min(seconds, _MOST) - self._seconds)

    def _start_held(self) -> None:
        while self._held and self.room:
            start = next(iter(self._held))
            del self._held[start]
            start()

    @property
    def _brief(self) -> float:
        return STUCK if self.quick else BRIEF

    def _watch(self) -> None:
        oldest = next(iter(self._begun.values()))
        left = max(0.0, oldest + self._brief - time.monotonic())
        self._aging = asyncio.get_running_loop().call_later(left, self._age)

    def _age(self) -> None:
        self._aging = None
        since = time.monotonic() - self._brief
        for first in [first for first, moment in self._begun.items() if moment <= since]:
            del self._begun[first]
            self._note(_MOST)
        self._start_held()
        if self._held:
            self._watch()
