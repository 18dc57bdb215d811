"""When calls of one kind are started: at once, or a moment later, when others have joined them.

Callers whose calls were answered together come again together, within a few turns of the event
loop. Would the first of them go by itself, the others would find every place taken, and from then
on come one by one: few callers would hardly ever share a statement.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sized

COMPANY = 0.001
"""Seconds that few wait for others at most while more are under way, and none is sent."""
ENOUGH = 8
"""Calls of one kind that wait for no more: of many callers enough come in together."""
RECENT = 64
"""Calls that come in after which it is forgotten how many there were at once before them."""


class Crowd:
    """The calls of one process that may be merged, of all kinds.

    Attributes:
        entered: Calls that have come in.
        under_way: Batches and lone calls of theirs at the server.
        enough: Calls of one kind that wait for no more: half of all that there are at once, so
            that while the server does one half's, the other half's are put together here.
    """

    def __init__(self) -> None:
        """Start with none."""
        self.entered = 0
        self.under_way = 0
        self.enough = 1
        self._here = 0
        self._most = 1
        self._most_lately = 1
        self._left = RECENT

    def enter(self) -> None:
        """Count a call that comes in; `leave` must follow."""
        self.entered += 1
        self._here += 1
        self._most_lately = max(self._most_lately, self._here)
        self._left -= 1
        if self._most_lately > self._most or not self._left:
            self._most = self._most_lately
            self.enough = min(ENOUGH, (self._most + 1) // 2)
        if not self._left:
            self._left = RECENT
            self._most_lately = self._here

    def leave(self) -> None:
        """Count it no longer."""
        self._here -= 1


class Start(Protocol):
    """Starts what waits, if it may be started."""

    def __call__(self, *, however_few: bool = False) -> object:
        """Start it; `however_few`: they have waited for others."""


class Gathering:
    """Has the calls of one kind started when they need wait for no others."""

    def __init__(self, crowd: Crowd, waiting: Sized, start: Start) -> None:
        """Take what it looks at.

        Args:
            crowd: What it counts the others by.
            waiting: The calls that wait.
            start: Starts them.
        """
        self._crowd = crowd
        self._waiting = waiting
        self._start = start
        self._scheduled = False
        self._entered = 0
        self._calm_by = 0.0
        self._sent_last = 0.0
        self._expecting: asyncio.TimerHandle | None = None

    @property
    def enough(self) -> bool:
        """Tell whether so many wait that none need wait for others."""
        return len(self._waiting) >= self._crowd.enough

    def sent(self, moment: float) -> None:
        """Note that some were started, at a moment of `time.monotonic()`."""
        self._sent_last = moment

    def start_soon(self) -> None:
        """Start at the end of this turn of the event loop: what arrives in it goes together."""
        self._schedule(self._start_now)

    def start_in_calm(self) -> None:
        """Start when there are enough, or after a turn in which no call of any kind came in.

        Where there is no such turn, they wait for `COMPANY`.
        """
        self._entered = self._crowd.entered - 1  # the one that has just come is no calm
        if not self._scheduled:
            self._calm_by = time.monotonic() + COMPANY
        self._schedule(self._start_if_calm)

    def start_in_a_moment(self) -> None:
        """Start when none has been sent for `COMPANY`; what is under way may start them before."""
        if self._expecting is None:
            left = max(0.0, self._sent_last + COMPANY - time.monotonic())
            loop = asyncio.get_running_loop()
            self._expecting = loop.call_later(left, self._stop_expecting)

    def _schedule(self, what: Callable[[], None]) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(what)

    def _start_now(self) -> None:
        self._scheduled = False
        self._start()

    def _start_if_calm(self) -> None:
        self._scheduled = False
        entered, self._entered = self._entered, self._crowd.entered
        if self.enough:
            self._start()
        elif entered == self._entered or self._calm_by <= time.monotonic():
            self._start(however_few=True)
        elif self._waiting:
            self._schedule(self._start_if_calm)

    def _stop_expecting(self) -> None:
        self._expecting = None
        if self._sent_last + COMPANY <= time.monotonic():
            self._start(however_few=True)
        elif self._waiting:
            self.start_in_a_moment()  # some have been sent meanwhile, the oldest first
