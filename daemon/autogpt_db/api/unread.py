"""Replies that their clients have not read yet: bounded, at the cost of whoever reads slowest.

Who reads at a fair pace is no reason for the bound to be met, and is spared beyond it; only far
beyond it somebody has to go all the same.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple, Protocol

from autogpt_db.logs.events import api as log
from autogpt_db.metrics import families

if TYPE_CHECKING:
    from collections.abc import Callable

    from autogpt_db.metrics import Store

HEAD_START = 1024 * 1024
"""Bytes that every client is taken to have read at once: one that has just begun isn't slow."""
FAIR_PACE = 1024 * 1024
"""Bytes a second at which nobody reads slowly."""
FAR_BEYOND = 4
"""How many times the bound it is that nobody is spared."""


class Reader(Protocol):
    """A connection whose client has a reply to read."""

    @property
    def unread(self) -> int:
        """Return how many bytes of its replies the client has not read."""

    def cut(self) -> None:
        """End it in the middle of a reply."""


class _Holding(NamedTuple):
    size: int
    since: float


class UnreadReplies:
    """The bytes of replies that the connections of one process hold.

    A reply is kept whole until its last byte is sent, so many clients that ask for large ones and
    read none of them would fill the machine.

    Attributes:
        held: How many bytes there are.
    """

    def __init__(
        self, limit: int, store: Store, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin with none.

        Args:
            limit: Most bytes; one reply always finds room, and those of fair readers find more.
            store: Where it is counted that a client was cut.
            clock: Returns the time, in seconds.
        """
        self.held = 0
        self._limit = limit
        self._store = store
        self._clock = clock
        self._holdings: dict[Reader, _Holding] = {}
        store.add(families.SLOW_READERS_CUT, 0)

    def hold(self, reader: Reader) -> None:
        """Count what a connection could not send at once; cut slow others beyond the bound.

        Args:
            reader: The connection; `let_go` must follow.
        """
        self.let_go(reader)
        size = reader.unread
        while self._holdings and self.held + size > self._limit:
            slowest, pace = self._slowest()
            if pace >= FAIR_PACE and self.held + size <= FAR_BEYOND * self._limit:
                break
            self._cut(slowest)
        self._holdings[reader] = _Holding(size, self._clock())
        self.held += size

    def let_go(self, reader: Reader) -> None:
        """Count no more what a connection holds; it may hold nothing."""
        holding = self._holdings.pop(reader, None)
        if holding is not None:
            self.held -= holding.size

    def _slowest(self) -> tuple[Reader, float]:
        """Return who reads slowest, and how many bytes a second."""
        now = self._clock()

        def pace(reader: Reader) -> float:
            size, since = self._holdings[reader]
            return (size - reader.unread + HEAD_START) / max(now - since, 0.001)

        slowest = min(self._holdings, key=pace)
        return slowest, pace(slowest)

    def _cut(self, reader: Reader) -> None:
        size, since = self._holdings[reader]
        seconds = round(self._clock() - since, 3)
        log.slow_reader_cut(unread=reader.unread, size=size, seconds=seconds)
        self._store.add(families.SLOW_READERS_CUT, 1)
        self.let_go(reader)
        reader.cut()
