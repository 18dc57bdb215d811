"""How much memory the requests of one process may hold, and giving it back afterwards."""

from __future__ import annotations

import asyncio
import ctypes
from typing import TYPE_CHECKING

from autogpt_db.errors import MemoryExhaustedError
from autogpt_db.metrics import families

if TYPE_CHECKING:
    from autogpt_db.metrics import Store

LARGE = 1024 * 1024
"""Bytes of a body from which on only a few calls are under way at once."""
LARGE_AT_ONCE = 4
SMALL = 65_536
"""Bytes of a body that finds room even when large ones have taken their share."""
SHARE_OF_LARGE = 7 / 8
"""What of the limit large bodies may take."""
RETURN_AFTER = 1.0
"""Seconds after the last large body in which the allocator is asked to give back what is free."""

_M_MMAP_THRESHOLD = -3
_MAPPED_FROM = 256 * 1024


class Memory:
    """The bytes of bodies that are being read, or whose calls are under way.

    Attributes:
        limit: Most of them (`api.memory_limit`).
        held: How many there are.
    """

    def __init__(self, limit: int, largest: int, store: Store) -> None:
        """Begin with none.

        Args:
            limit: Most bytes; one body of the largest always finds room.
            largest: Bytes of the largest body (`api.body_limit`).
            store: Where refusals are counted.
        """
        self._share_of_large = max(int(limit * SHARE_OF_LARGE), largest)
        self.limit = max(limit, int(self._share_of_large / SHARE_OF_LARGE))
        self.held = 0
        self._store = store
        self._returning: asyncio.TimerHandle | None = None
        store.add(families.MEMORY_REFUSALS, 0)

    def check(self, size: int) -> None:
        """Refuse a body before it is read.

        Args:
            size: Bytes that it says it has.

        Raises:
            MemoryExhaustedError: There is no room for it.
        """
        if self.held + size > (self.limit if size <= SMALL else self._share_of_large):
            self._store.add(families.MEMORY_REFUSALS, 1)
            raise MemoryExhaustedError(
                "The requests that are under way hold as much memory as they may "
                "(api.memory_limit); try again shortly."
            )

    def take(self, more: int, size: int) -> None:
        """Count bytes of a body; `give` must follow.

        Args:
            more: Bytes that have come.
            size: Bytes of the whole body, as far as they are known.

        Raises:
            MemoryExhaustedError: There is no room for them; they are not counted.
        """
        if self.held + more > self._share_of_large:
            self.check(max(more, min(size, SMALL + 1)))
        self.held += more

    def give(self, size: int) -> None:
        """Let go of bytes that were taken."""
        if self.held >= LARGE and self._returning is None:
            loop = asyncio.get_running_loop()
            self._returning = loop.call_later(RETURN_AFTER, self._return)
        self.held -= size

    def _return(self) -> None:
        self._returning = None
        return_free_memory()


def map_large_blocks() -> None:
    """Have the allocator map each large block by itself, so that freeing it gives it back.

    glibc raises the size from which it does so to that of the largest block it has seen: after one
    body of 30 MB, others would stay in the heap behind whatever small thing comes after them.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _MAPPED_FROM)


def return_free_memory() -> None:
    """Ask the allocator to give free memory back to the system."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
