"""Calls of one kind that come in together become one statement, in one transaction.

A batch costs the server little more than one call: one round trip, one plan, one flush. A lone
call goes at once and by itself, in its caller's own task. Everyone is answered after the batch's
commit, with their own row's outcome; when a batch fails, each of its calls is sent again by
itself, so that only the wrong ones fail. Nobody waits long for a stranger's row: a batch that meets
a lock gives up soon, and what takes long no longer keeps others from being sent. What may be
merged says so beside its SQL (`merged.Merged`).
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from autogpt_db.errors import (
    DeadlineExceededError,
    LockedError,
    OutcomeUnknownError,
    PoolExhaustedError,
    ServiceUnavailableError,
    StatementCollidedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import LiteralString

    from autogpt_db.database.merged import Merged

LARGEST_BATCH = 64
"""Calls in one statement: more gain nothing, and make the first ones wait for the last."""
LARGEST_READ = 16
"""Calls that only read in one statement: of the first ones it is not known how much they bring."""
MOST_CHARACTERS = 4 * 1024 * 1024
"""Characters of all parameters in one statement, and of the replies that are to be expected.

Putting them together holds the event loop.

A call that has more goes alone. PostgreSQL takes no value of more than a gigabyte, and drops the
connection that brings one.
"""
LARGE_REPLY = 65_536
"""Bytes of a reply from which on it is remembered how large it was.

Replies are as good as unbounded: 64 of 30 MB, read by one statement, are more than a process has
room for. So a call counts with what it brought last time, too, and one of which nothing is known
with what others of its kind have brought lately.
"""
MOST_REMEMBERED = 1024
"""Calls of one kind whose large replies are remembered."""
IN_FLIGHT = 3
"""Batches of one kind at once: while they are at the server, the next is put together.

Measured with 8 and with 64 clients: fewer leave processors idle, more make batches smaller.
"""
PATIENCE = 1.0
"""Seconds after which a batch or a lone call no longer counts as one of those in flight.

It runs on; but what holds it up, a lock or a dying disk, must not hold up every call of its kind.
"""
MOST_SLOW = 3
"""How many may run on so at once.

Each holds a connection, and a server that is slow as a whole gets no faster by being asked more.
"""
ISOLATED_AT_ONCE = 4
"""Calls of failed batches of one kind that are sent at once, each by itself."""


class Sender(Protocol):
    """What a batch is sent through: one call's handle (`handle.Database`).

    Attributes:
        pool_wait: Seconds that it waited for a connection.
    """

    pool_wait: float

    async def json(self, sql: LiteralString, parameters: Mapping[str, Any]) -> bytes | None:
        """Return the document in the first column of the first row."""

    async def rows(
        self, sql: LiteralString, parameters: Mapping[str, Any]
    ) -> list[tuple[Any, ...]]:
        """Return all rows."""


class _Alone:
    """Instead of a document: nobody came along, so the caller sends its statement itself."""


ALONE = _Alone()


@dataclass(slots=True, eq=False)
class Call:
    """A call that came in.

    Attributes:
        parameters: Its statement's.
        key: What no two calls under way at once may have in common.
        outcome: Its document, or `ALONE`.
        identity: Hash of its texts: what a call with the same brought, this one may bring.
        size: Characters of its parameters.
        waited: Seconds that its batch waited for a connection.
        taken: Whether it waits no longer: it is under way, or its caller's to send.
    """

    parameters: Mapping[str, Any]
    key: tuple[Any, ...]
    outcome: asyncio.Future[bytes | _Alone | None]
    identity: int
    size: int
    waited: float = 0.0
    taken: bool = False


@dataclass(slots=True)
class Figures:
    """What merging has done since the process started.

    Attributes:
        calls: Calls that came in.
        batches: Statements that were sent for them.
        isolated: Calls that were sent again by themselves, because their batch failed.
        sizes: Statements by the number of their calls: up to 1, 2, 4, … `LARGEST_BATCH`.
        sent: Calls in all of these.
    """

    calls: int = 0
    batches: int = 0
    isolated: int = 0
    sizes: list[int] = field(default_factory=lambda: [0] * LARGEST_BATCH.bit_length())
    sent: int = 0

    def add_batch(self, size: int) -> None:
        """Count a statement for `size` calls."""
        self.batches += 1
        self.sizes[(size - 1).bit_length()] += 1
        self.sent += size


@dataclass(eq=False)
class Merger:
    """Puts the calls of one `Merged` together.

    Attributes:
        merged: The statements.
        open: Returns what one batch is sent through.
        limit: Calls that may wait; one more is refused at once.
        figures: What has been done.
    """

    merged: Merged
    open: Callable[[], Sender]
    limit: int
    figures: Figures = field(default_factory=Figures)
    _waiting: deque[Call] = field(default_factory=deque)
    _busy_keys: set[tuple[Any, ...]] = field(default_factory=set)
    _in_flight: dict[Call, float] = field(default_factory=dict)
    _slow: set[Call] = field(default_factory=set)
    _alone: set[Call] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _isolated: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(ISOLATED_AT_ONCE)
    )
    _large_replies: OrderedDict[int, int] = field(default_factory=OrderedDict)
    _lately: int = 0
    _scheduled: bool = False
    _impatient: asyncio.TimerHandle | None = None

    def submit(self, parameters: Mapping[str, Any]) -> Call:
        """Take a call in; its outcome is a future, and `done` must follow.

        Where the outcome is `ALONE`, the caller sends the statement before that.

        Raises:
            PoolExhaustedError: Too many wait already.
        """
        if len(self._waiting) >= self.limit:
            raise PoolExhaustedError(
                "Too many calls of this method are waiting; try again shortly."
            )
        loop = asyncio.get_running_loop()
        key = tuple(parameters[name] for name in self.merged.key)
        call = Call(
            parameters,
            key,
            loop.create_future(),
            hash(tuple(parameters[name] for name in self.merged.texts)),
            self.merged.size_of(parameters),
        )
        self._waiting.append(call)
        self.figures.calls += 1
        if not self._may_start:
            self._grow_impatient()
        elif not self._scheduled:
            # At the end of this turn of the loop: what arrived in it goes together.
            self._scheduled = True
            loop.call_soon(self._start)
        return call

    def done(self, call: Call) -> None:
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

    def replied(self, call: Call, document: bytes | None) -> None:
        """Take note of what a call has brought, where that is much.

        Args:
            call: The call.
            document: Its reply.
        """
        size = len(document) if document is not None else 0
        if size >= LARGE_REPLY:
            self._lately = max(size, self._lately // 2)
            self._large_replies[call.identity] = size
            self._large_replies.move_to_end(call.identity)
            if len(self._large_replies) > MOST_REMEMBERED:
                self._large_replies.popitem(last=False)
        elif self._large_replies:
            self._lately = self._lately // 2 if self._lately > LARGE_REPLY else 0
            self._large_replies.pop(call.identity, None)

    def _size_of(self, call: Call) -> int:
        """Return how much a call adds to a statement and its replies, as far as can be known."""
        return call.size + self._large_replies.get(call.identity, self._lately)

    @property
    def _may_start(self) -> bool:
        return len(self._in_flight) < IN_FLIGHT

    def _start(self) -> None:
        self._scheduled = False
        while self._waiting and self._may_start:
            batch = self._take()
            if not batch:
                return  # each waits for one of its own row; that one's end starts it
            first = batch[0]
            self._in_flight[first] = time.monotonic()
            if len(batch) == 1:
                self.figures.add_batch(1)
                self._alone.add(first)
                first.outcome.set_result(ALONE)
                continue
            task = asyncio.get_running_loop().create_task(self._run(batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if self._waiting:
            self._grow_impatient()

    def _ended(self, first: Call) -> None:
        """Let go of what began with `first`, and start what waits."""
        self._in_flight.pop(first, None)
        self._slow.discard(first)
        self._start()

    def _grow_impatient(self) -> None:
        """See to it that who waits does so for `PATIENCE` at most, as long as few are slow."""
        if self._impatient is None and self._in_flight and len(self._slow) < MOST_SLOW:
            left = min(self._in_flight.values()) + PATIENCE - time.monotonic()
            loop = asyncio.get_running_loop()
            self._impatient = loop.call_later(max(0.0, left), self._pass_over_slow)

    def _pass_over_slow(self) -> None:
        self._impatient = None
        since = time.monotonic() - PATIENCE
        for first, started in list(self._in_flight.items()):
            if started <= since and len(self._slow) < MOST_SLOW:
                del self._in_flight[first]
                self._slow.add(first)
        self._start()

    def _take(self) -> list[Call]:
        """Take the next batch out of what waits: bounded in calls, characters and replies."""
        waiting = self._waiting
        batch: list[Call] = []
        passed: list[Call] = []
        seen: set[tuple[Any, ...]] = set()
        room = MOST_CHARACTERS
        most = LARGEST_READ if self.merged.reads else LARGEST_BATCH
        while waiting and len(batch) < most:
            call = waiting.popleft()
            if call.outcome.done():
                continue
            if self.merged.key and (call.key in self._busy_keys or call.key in seen):
                passed.append(call)
            elif batch and self._size_of(call) > room:
                waiting.appendleft(call)
                break
            else:
                call.taken = True
                batch.append(call)
                room -= self._size_of(call)
            if not self.merged.shares:
                seen.add(call.key)
        waiting.extendleft(reversed(passed))
        if self.merged.key:
            self._busy_keys.update(call.key for call in batch)
            if not self.merged.shares:
                batch.sort(key=lambda call: call.key)
        return batch

    async def _run(self, batch: list[Call]) -> None:
        held = {call.key for call in batch}
        try:
            await self._run_together(batch, held)
        finally:
            self._busy_keys -= held
            for call in batch:
                if not call.outcome.done():  # whatever happened, nobody waits for ever
                    call.outcome.set_exception(
                        OutcomeUnknownError("The call was given up while it was under way.")
                    )
            self._ended(batch[0])

    async def _run_together(self, batch: list[Call], held: set[tuple[Any, ...]]) -> None:
        database = self.open()
        self.figures.add_batch(len(batch))
        try:
            rows = await database.rows(
                self.merged.batch,
                {"calls": self.merged.encode([call.parameters for call in batch])},
            )
        except (DeadlineExceededError, LockedError, StatementCollidedError):
            await self._isolate(batch, held)  # nothing was written; one of them met a lock
        except ServiceUnavailableError as error:
            for call in batch:
                _fail(call, error)
        except Exception:  # noqa: BLE001 - one of the calls is at fault; its own run says how
            await self._isolate(batch, held)
        else:
            documents = dict(rows)
            for place, call in enumerate(batch):
                call.waited = database.pool_wait
                self._answer(call, documents.get(place))

    async def _isolate(self, batch: list[Call], held: set[tuple[Any, ...]]) -> None:
        """Send each by itself, so that only the wrong ones fail, and only the locked ones wait.

        Args:
            batch: The calls.
            held: Their keys; each is let go of with the last of its calls.
        """
        self.figures.isolated += len(batch)
        rows: dict[Any, list[Call]] = {}
        for place, call in enumerate(batch):
            rows.setdefault(call.key or place, []).append(call)
        todo = iter(rows.values())

        async def run_in_turn() -> None:
            for calls in todo:
                for call in calls:
                    async with self._isolated:
                        if not call.outcome.done():  # or nobody waits for it any more
                            await self._run_alone(call)
                held.discard(calls[0].key)
                self._busy_keys.discard(calls[0].key)
                self._start()

        await asyncio.gather(*(run_in_turn() for _ in range(ISOLATED_AT_ONCE)))

    async def _run_alone(self, call: Call) -> None:
        database = self.open()
        self.figures.add_batch(1)
        try:
            document = await database.json(self.merged.single, call.parameters)
        except Exception as error:  # noqa: BLE001 - it is the caller's to deal with
            _fail(call, error)
        else:
            call.waited = database.pool_wait
            self._answer(call, document)

    def _answer(self, call: Call, document: bytes | None) -> None:
        self.replied(call, document)
        if not call.outcome.done():
            call.outcome.set_result(document)


def _fail(call: Call, error: BaseException) -> None:
    if not call.outcome.done():
        call.outcome.set_exception(error)
