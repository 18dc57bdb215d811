"""Calls of one kind that come in together become one statement, in one transaction.

A batch costs the server little more than one call: one round trip, one plan, one flush. A lone
call goes at once and by itself, in its caller's own task; few wait a moment for others, as long as
more are under way and PostgreSQL is quick (`gathering.Gathering`). Everyone is answered after the
batch's commit, with their own row's outcome; when a batch fails, each of its calls is sent again by
itself, so that only the wrong ones fail. Nobody waits long for a stranger's row: a batch that meets
a lock gives up soon, and what takes long no longer keeps others from being sent. While writes of
many kinds are under way, those of each gather (`abreast.Abreast`). What may be merged says so
beside its SQL (`merged.Merged`).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from autogpt_db.database.pool.batches import (
    ALONE,
    LARGEST_BATCH,
    LARGEST_READ,
    BatchSender,
    Figures,
    MergedCall,
    Sent,
)
from autogpt_db.database.pool.gathering import Gathering
from autogpt_db.database.pool.merged import MOST_CHARACTERS
from autogpt_db.database.pool.reply_sizes import ReplySizes
from autogpt_db.errors import OutcomeUnknownError, PoolExhaustedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from autogpt_db.database.pool.abreast import Abreast
    from autogpt_db.database.pool.gathering import Crowd
    from autogpt_db.database.pool.merged import KeyedMerged, Merged, Sender

IN_FLIGHT = 3
"""Batches of one kind at once: while they are at the server, the next is put together.

Measured with 8 and with 64 clients: fewer leave processors idle, more make batches smaller.
"""
FEW_READERS = 10
"""Reads of one kind up to which they wait for others: of more enough come in together."""
PATIENCE = 1.0
"""Seconds after which a batch or a lone call no longer counts as one of those in flight.

It runs on; but what holds it up, a lock or a dying disk, must not hold up every call of its kind.
"""
MOST_SLOW = 3
"""How many may run on so at once.

Each holds a connection, and a server that is slow as a whole gets no faster by being asked more.
"""


class Merger:
    """Puts the calls of one `Merged` together.

    Attributes:
        merged: The statements.
        figures: What has been done.
        replies: How much its calls have brought lately.
    """

    def __init__(
        self,
        merged: Merged | KeyedMerged,
        open_call: Callable[[], Sender],
        *,
        limit: int,
        abreast: Abreast,
        crowd: Crowd,
        traced_as: str | None = None,
    ) -> None:
        """Start with nothing waiting.

        Args:
            merged: The statements.
            open_call: Returns what one batch is sent through.
            limit: Calls that may wait; one more is refused at once.
            abreast: The batches of all kinds that it counts as one of.
            crowd: The calls of all kinds, these among them.
            traced_as: What batches are called in traces; None: they are in none.
        """
        self.merged = merged
        self._abreast = abreast
        self._crowd = crowd
        self._most = LARGEST_READ if merged.reads else LARGEST_BATCH
        self.figures = Figures()
        self._limit = limit
        self.replies = ReplySizes()
        self._sender = BatchSender(
            merged, open_call, self.figures, self.replies, self._let_go, traced_as
        )
        self._waiting: deque[MergedCall] = deque()
        self._busy_keys: set[tuple[Any, ...]] = set()
        self._in_flight: dict[MergedCall, Sent] = {}
        self._under_way = 0
        self._slow: set[MergedCall] = set()
        self._alone: set[MergedCall] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._gathering = Gathering(crowd, self._waiting, self._start)
        self._impatient: asyncio.TimerHandle | None = None

    def submit(self, parameters: Mapping[str, Any]) -> MergedCall:
        """Take a call in; its outcome is a future, and `done` must follow.

        Where the outcome is `ALONE`, the caller sends the statement before that.

        Raises:
            PoolExhaustedError: Too many wait already.
        """
        if len(self._waiting) >= self._limit:
            raise PoolExhaustedError(
                "Too many calls of this method are waiting; try again shortly."
            )
        key = tuple(parameters[name] for name in self.merged.key)
        call = MergedCall(
            parameters,
            key,
            asyncio.get_running_loop().create_future(),
            hash(tuple(parameters[name] for name in self.merged.texts)),
            self.merged.size_of(parameters),
        )
        self._waiting.append(call)
        self._abreast.enter()
        self._crowd.enter()
        self.figures.calls += 1
        if not self._may_start:
            self._hold_back()
        elif not self._match_those_under_way:
            self._gathering.start_in_a_moment()
        elif self._may_be_joined and (self._crowd.under_way or not self.merged.reads):
            # Of an idle server a read asks nothing but a processor; a write asks for a commit.
            self._gathering.start_in_calm()
        else:
            self._gathering.start_soon()
        return call

    def done(self, call: MergedCall) -> None:
        """Let the next ones go, when `call` was sent by its caller, or would have been.

        One that was given up while it waited counts as waiting no more.
        """
        if call in self._alone:
            self._alone.discard(call)
            self._busy_keys.discard(call.key)
            self._ended(call)
        elif call.outcome.cancelled():
            with suppress(ValueError):  # it is under way
                self._waiting.remove(call)
        self._abreast.leave()
        self._crowd.leave()

    def _let_go(self, key: tuple[Any, ...]) -> None:
        """Let the next call with a key go."""
        self._busy_keys.discard(key)
        self._start()

    @property
    def _may_start(self) -> bool:
        return len(self._in_flight) < IN_FLIGHT and self._abreast.room

    @property
    def _match_those_under_way(self) -> bool:
        """Tell whether those that wait are as many as those under way, or a full batch.

        Fewer wait for others (`gathering` says why). Where batches are slow, nobody gains by that,
        and of many readers none does.
        """
        waiting, under_way = len(self._waiting), self._under_way
        if not self._abreast.quick or (self.merged.reads and waiting + under_way > FEW_READERS):
            return True
        return waiting >= min(under_way, self._most)

    @property
    def _may_be_joined(self) -> bool:
        """Tell whether those that wait may be the first of more that come in these turns."""
        return not (self._under_way or self._gathering.enough)

    def _start(self, *, however_few: bool = False) -> None:
        while self._waiting and self._may_start:
            if not (self._match_those_under_way or however_few):
                self._gathering.start_in_a_moment()
                return
            if self._may_be_joined and self._crowd.under_way and not however_few:
                self._gathering.start_in_calm()
                return
            however_few = False
            batch = self._take()
            if not batch:
                return  # each waits for one of its own row; that one's end starts it
            first = batch[0]
            moment = time.monotonic()
            self._gathering.sent(moment)
            self._crowd.under_way += 1
            self._in_flight[first] = Sent(moment, len(batch))
            self._under_way += len(batch)
            self._abreast.begin(first, moment)
            if len(batch) == 1:
                self.figures.add_batch(1)
                self._alone.add(first)
                first.outcome.set_result(ALONE)
                continue
            task = asyncio.get_running_loop().create_task(self._run(batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if self._waiting:
            self._hold_back()

    def _hold_back(self) -> None:
        """See to it that who waits is started when there is room, or in the end."""
        if len(self._in_flight) < IN_FLIGHT:
            self._abreast.hold(self._start)
        self._grow_impatient()

    def _ended(self, first: MergedCall) -> None:
        """Let go of what began with `first`, and start what waits."""
        if first in self._in_flight:
            self._under_way -= self._in_flight.pop(first).calls
        self._crowd.under_way -= 1
        self._abreast.end(first)
        self._slow.discard(first)
        self._start()

    def _grow_impatient(self) -> None:
        """See to it that who waits does so for `PATIENCE` at most, as long as few are slow."""
        if self._impatient is None and self._in_flight and len(self._slow) < MOST_SLOW:
            oldest = min(sent.since for sent in self._in_flight.values())
            left = oldest + PATIENCE - time.monotonic()
            loop = asyncio.get_running_loop()
            self._impatient = loop.call_later(max(0.0, left), self._pass_over_slow)

    def _pass_over_slow(self) -> None:
        self._impatient = None
        since = time.monotonic() - PATIENCE
        for first, sent in list(self._in_flight.items()):
            if sent.since <= since and len(self._slow) < MOST_SLOW:
                del self._in_flight[first]
                self._under_way -= sent.calls
                self._slow.add(first)
        self._start()

    def _take(self) -> list[MergedCall]:
        """Take the next batch out of what waits: bounded in calls, characters and replies."""
        waiting, expected = self._waiting, self.replies.expected
        batch: list[MergedCall] = []
        passed: list[MergedCall] = []
        seen: set[tuple[Any, ...]] = set()
        room = MOST_CHARACTERS
        while waiting and len(batch) < self._most:
            call = waiting.popleft()
            if call.outcome.done():
                continue
            if self.merged.key and (call.key in self._busy_keys or call.key in seen):
                passed.append(call)
            else:
                # As far as it can be known.
                size = call.size + expected(call.identity)
                if batch and size > room:
                    waiting.appendleft(call)
                    break
                call.taken = True
                batch.append(call)
                room -= size
            if not self.merged.shares:
                seen.add(call.key)
        waiting.extendleft(reversed(passed))
        if self.merged.key:
            self._busy_keys.update(call.key for call in batch)
            if not self.merged.shares:
                batch.sort(key=lambda call: call.key)
        return batch

    async def _run(self, batch: list[MergedCall]) -> None:
        held = {call.key for call in batch}
        try:
            await self._sender.send(batch, held)
        finally:
            self._busy_keys -= held
            for call in batch:
                if not call.outcome.done():  # whatever happened, nobody waits for ever
                    call.outcome.set_exception(
                        OutcomeUnknownError("The call was given up while it was under way.")
                    )
            self._ended(batch[0])
