"""Following the log: one look for all readers of a process, and to each what it has chosen.

Whoever comes back with an id reads from the log until it has caught up with everybody, and then
joins. What a reader hasn't taken waits for it within a bound; beyond that it is dropped, and told.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from typing import TYPE_CHECKING, NoReturn, Protocol

from autogpt_db.errors import AutogptDbError, DatabaseUnavailableError
from autogpt_db.live_events.pacing import Pacing
from autogpt_db.live_events.readers import Reader
from autogpt_db.live_events.reading import (
    MOST,
    Event,
    Page,
    Position,
    Selection,
    parameters,
)
from autogpt_db.live_events.sending import dropped, encoded, gap, place
from autogpt_db.live_events.statements import READ
from autogpt_db.logs.events import admin as log

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from autogpt_db.database.pool import Database
    from autogpt_db.live_events.pacing import Writes

RETRY = 1.0
"""Seconds before the next look after one that has failed."""
KEEP_UP = 15.0
"""Seconds after which readers are told how far they have come, though nothing was theirs."""
TOGETHER = 20
"""Readers that are served at once; it takes a millisecond."""
GAP = 0.01
"""Seconds between those and the next: nobody else waits for the processor longer than for a few."""
CATCHING_UP = 2
"""Readers that read from the log at once."""
PATIENCE = 5.0
"""Seconds that a reader waits for the first look."""
AT_ONCE = 1000
"""Events that one look for all looks at."""
ALL = Selection()


class Reads(Protocol):
    """Looks at the log."""

    async def __call__(self, selection: Selection, after: Position | None, limit: int) -> Page:
        """Return the first events behind a position; without one none, but where we are."""


async def read(
    database: Database, selection: Selection, after: Position | None, limit: int
) -> Page:
    """Return the first events behind a position; without one none, but where we are.

    Args:
        database: A handle for this look.
        selection: Which events.
        after: The position.
        limit: How many at most.
    """
    given = parameters(selection, after, limit=limit if after else 0)
    return Page.of(await database.rows(READ, given), given["limit"])


class Following:
    """The one that follows for all readers of this process; without any it asks nobody anything.

    Args:
        read: Looks at the log.
        counted: Called with the number of readers when one has come or gone.
        let_go: Called when one was dropped.
        writes: Tells whether anybody on this host has written; None: nobody knows.
    """

    def __init__(
        self,
        read: Reads,
        *,
        counted: Callable[[int], None],
        let_go: Callable[[], None],
        writes: Writes | None = None,
    ) -> None:
        self._read = read
        self._counted = counted
        self._let_go = let_go
        self._pacing = Pacing(writes)
        self._readers: dict[Selection, set[Reader]] = defaultdict(set)
        self._position: Position | None = None
        self._started = asyncio.Event()
        self._wanted = asyncio.Event()
        self._catching_up = asyncio.Semaphore(CATCHING_UP)
        self._due: dict[Reader, None] = {}
        self._kept_up = time.monotonic()
        self.streams = 0

    def enter(self) -> None:
        """Count somebody who is about to follow: from now on the log is looked at."""
        self.streams += 1
        self._counted(self.streams)
        self._wanted.set()

    def leave(self) -> None:
        """Count them no more."""
        self.streams -= 1
        self._counted(self.streams)
        if not self.streams:
            self._wanted.clear()
            self._started.clear()

    async def ready(self) -> Position:
        """Wait for the first look; return where the log is: who has no id yet begins there.

        Raises:
            DatabaseUnavailableError: There was none in time.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                await self._started.wait()
        except TimeoutError:
            raise DatabaseUnavailableError(
                "The log of live events cannot be read now; try again shortly."
            ) from None
        assert self._position is not None, "it has been looked at"
        return self._position

    async def stream(self, selection: Selection, after: Position) -> AsyncGenerator[bytes]:
        """Yield what a reader is sent: events, and what it has to know about them.

        Whoever calls this has entered, and is ready.

        Args:
            selection: What it has chosen.
            after: Up to where it has read, or what `ready` returned.
        """
        assert self._position is not None, "it is ready"
        position = after
        while position.history != self._position.history or position < self._position:
            async with self._catching_up:
                page = await self._read(selection, position, MOST)
            missing = page.lacks_before(position)
            if missing is not None:
                yield gap(missing, page.beginning)
            if position.history != page.history:
                position = page.beginning
                continue
            if page.events:
                yield b"".join([encoded(page, event) for event in page.events])
            position = page.end
        reader = Reader(selection, position)
        readers = self._readers[reader.key]
        readers.add(reader)
        try:
            yield place(position)
            while True:
                if part := reader.take():
                    yield part
                elif reader.lost:
                    self._let_go()
                    yield dropped()
                    return
                else:
                    await reader.come()
        finally:
            readers.discard(reader)
            if not readers:
                self._readers.pop(reader.key, None)

    async def follow_forever(self) -> NoReturn:
        """Look at the log as long as somebody follows, until cancelled."""
        failed = False
        while True:
            await self._wanted.wait()
            try:
                more = await self._look()
            except AutogptDbError as error:
                if not failed:
                    log.live_events_unread(reason=str(error))
                failed = True
                await asyncio.sleep(RETRY)
                continue
            failed = False
            self._keep_up()
            await self._wake(spread=not more)
            if not more:
                await self._pacing.pause(self.streams, self._started.is_set)

    async def _look(self) -> bool:
        """Look once, and give each reader what is its; return whether there is more."""
        self._pacing.begin()
        if not self._started.is_set():
            page = await self._read(ALL, None, AT_ONCE)
            self._position = page.horizon_position
            self._pacing.note(page)
            if self.streams:  # else nobody has waited for it, and who comes next begins later
                self._started.set()
            return False
        assert self._position is not None
        page = await self._read(ALL, self._position, AT_ONCE)
        self._pacing.note(page)
        missing = page.lacks_before(self._position)
        if missing is not None:
            self._give_all(gap(missing, page.beginning))
        if page.history != self._position.history:
            self._position = page.beginning
            for readers in self._readers.values():
                for reader in readers:
                    reader.floor = (0, 0)
            return True
        self._position = page.end
        if page.events:
            self._give(page)
        return not page.is_last

    def _keep_up(self) -> None:
        """Tell every reader how far it has come, now and then: what was its stands before that."""
        now = time.monotonic()
        if now - self._kept_up < KEEP_UP or self._position is None:
            return
        self._kept_up = now
        reached = (self._position.transaction, self._position.number)
        for readers in self._readers.values():
            for reader in readers:
                if reader.floor <= reached:
                    self._put(reader, place(self._position))

    async def _wake(self, *, spread: bool) -> None:
        """Let those read for whom something waits.

        Args:
            spread: A few at a time, so that many hold up nobody else for long; not where more is to
                come, and they would fall behind.
        """
        due = list(self._due)
        self._due.clear()
        for start in range(0, len(due), TOGETHER):
            if start and spread:
                await asyncio.sleep(GAP)
            for reader in due[start : start + TOGETHER]:
                reader.wake()

    def _put(self, reader: Reader, part: bytes) -> None:
        reader.give(part)
        self._due[reader] = None

    def _give_all(self, part: bytes) -> None:
        for readers in self._readers.values():
            for reader in readers:
                self._put(reader, part)

    def _give(self, page: Page) -> None:
        """Give each reader the events that are its; who has chosen the same shares the bytes."""
        texts = [encoded(page, event) for event in page.events] if self._readers else []
        by_key: dict[Selection, list[tuple[Event, bytes]]] = defaultdict(list)
        for event, text in zip(page.events, texts, strict=False):
            for key in _keys_of(event):
                if key in self._readers:
                    by_key[key].append((event, text))
        first = page.events[0][:2]
        for key, found in by_key.items():
            shared = b"".join([text for _, text in found])
            for reader in self._readers[key]:
                if reader.selection == key and reader.floor < first:
                    self._put(reader, shared)
                    continue
                own = b"".join([
                    text
                    for event, text in found
                    if event[:2] > reader.floor and reader.selection.has(event)
                ])  # fmt: skip
                if own:
                    self._put(reader, own)


def _keys_of(event: Event) -> list[Selection]:
    """Return what readers may be found by who want an event."""
    keys = [ALL]
    if event.user_id is not None:
        keys.append(Selection(user_id=event.user_id))
    if event.graph_id is not None:
        keys.append(Selection(graph_id=event.graph_id))
    if event.graph_execution_id is not None:
        keys.append(Selection(graph_execution_id=event.graph_execution_id))
    return keys
