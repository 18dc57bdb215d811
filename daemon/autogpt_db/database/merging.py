"""Calls of one kind that come in together become one statement, in one transaction.

A batch costs the server little more than one call: one round trip, one plan, one flush. A lone
call goes at once and by itself, in its caller's own task. Everyone is answered after the batch's
commit, with their own row's outcome; when a batch fails, its calls are sent again one by one, so
that only the wrong ones fail. What may be merged says so beside its SQL (`Merged`).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any

from autogpt_db.errors import DeadlineExceededError, PoolExhaustedError, ServiceUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import LiteralString

    from autogpt_db.database.pool import Database

LARGEST_BATCH = 64
"""Calls in one statement: more gain nothing, and make the first ones wait for the last."""
IN_FLIGHT = 2
"""Batches of one kind at once: while one is at the server, the next is put together."""


class _Alone:
    """Instead of a document: nobody came along, so the caller sends its statement itself."""


ALONE = _Alone()


@dataclass(frozen=True, eq=False)
class Merged:
    """A statement for one call, and its form for many.

    Attributes:
        single: Named parameters in, a `json` document in the first column of at most one row.
        batch: `%(calls)s` is a JSON array of objects: the parameters of each call, and its
            `place`. Returns rows of place and document; a place that is missing stands for None.
        texts: Parameters that are text, or null.
        documents: Parameters that are JSON, or null: they stand in the array as they are.
        key: Parameters that name the row: no two calls with the same share a batch or are under
            way at once, so that they happen in the order of their arrival, and a batch touches
            its rows in the order of their keys, so that two daemons cannot block each other.
        shares: Whether calls with the same key may share a batch nevertheless, because the batch
            does them in their order.
        reads: Whether it only reads.
    """

    single: LiteralString
    batch: LiteralString
    texts: tuple[str, ...]
    documents: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    shares: bool = False
    reads: bool = False


@dataclass(slots=True, eq=False)
class _Call:
    parameters: Mapping[str, Any]
    key: tuple[Any, ...]
    outcome: asyncio.Future[bytes | _Alone | None]
    arrived: float
    waited: float = 0.0


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
        open: Returns a handle for one batch.
        limit: Calls that may wait; one more is refused at once.
        figures: What has been done.
    """

    merged: Merged
    open: Callable[[], Database]
    limit: int
    figures: Figures = field(default_factory=Figures)
    _waiting: deque[_Call] = field(default_factory=deque)
    _busy_keys: set[tuple[Any, ...]] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _alone: set[_Call] = field(default_factory=set)
    _scheduled: bool = False

    def submit(self, parameters: Mapping[str, Any]) -> _Call:
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
        call = _Call(parameters, key, loop.create_future(), time.monotonic())
        self._waiting.append(call)
        self.figures.calls += 1
        if not self._scheduled and self._may_start:
            # At the end of this turn of the loop: what arrived in it goes together.
            self._scheduled = True
            loop.call_soon(self._start)
        return call

    def done(self, call: _Call) -> None:
        """Let the next ones go, when `call` was sent by its caller, or would have been."""
        if call in self._alone:
            self._alone.discard(call)
            self._busy_keys.discard(call.key)
            self._start()

    @property
    def _may_start(self) -> bool:
        # Writes without a key go one batch after the other: side by side they would change order.
        most = IN_FLIGHT if self.merged.reads or self.merged.key else 1
        return len(self._tasks) + len(self._alone) < most

    def _start(self) -> None:
        self._scheduled = False
        while self._waiting and self._may_start:
            batch = self._take()
            if not batch:
                return  # each waits for one of its own row; that one's end starts it
            if len(batch) == 1:
                self.figures.add_batch(1)
                self._alone.add(batch[0])
                batch[0].outcome.set_result(ALONE)
                continue
            task = asyncio.get_running_loop().create_task(self._run(batch))
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _take(self) -> list[_Call]:
        waiting = self._waiting
        batch: list[_Call] = []
        if not self.merged.key:
            while waiting and len(batch) < LARGEST_BATCH:
                call = waiting.popleft()
                if not call.outcome.done():
                    batch.append(call)
            return batch
        passed: list[_Call] = []
        seen: set[tuple[Any, ...]] = set()
        while waiting and len(batch) < LARGEST_BATCH:
            call = waiting.popleft()
            if call.outcome.done():
                continue
            if call.key in self._busy_keys or call.key in seen:
                passed.append(call)
            else:
                batch.append(call)
            if not self.merged.shares:
                seen.add(call.key)
        waiting.extendleft(reversed(passed))
        self._busy_keys.update(call.key for call in batch)
        if not self.merged.shares:
            batch.sort(key=lambda call: call.key)
        return batch

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._start()

    async def _run(self, batch: list[_Call]) -> None:
        try:
            await self._run_together(batch)
        finally:
            if self.merged.key:
                self._busy_keys.difference_update(call.key for call in batch)
            for call in batch:  # whatever happened, nobody waits for ever
                call.outcome.cancel()

    async def _run_alone(self, call: _Call) -> None:
        database = self.open()
        self.figures.add_batch(1)
        try:
            document = await database.json(self.merged.single, call.parameters)
        except Exception as error:  # noqa: BLE001 - it is the caller's to deal with
            _fail(call, error)
        else:
            call.waited = database.pool_wait
            _answer(call, document)

    async def _run_together(self, batch: list[_Call]) -> None:
        database = self.open()
        self.figures.add_batch(len(batch))
        try:
            rows = await database.rows(self.merged.batch, {"calls": self._encode(batch)})
        except DeadlineExceededError:
            await self._isolate(batch)  # nothing was written; one of them waited for a lock
        except ServiceUnavailableError as error:
            for call in batch:
                _fail(call, error)
        except Exception:  # noqa: BLE001 - one of the calls is at fault; its own run says how
            await self._isolate(batch)
        else:
            documents = dict(rows)
            for place, call in enumerate(batch):
                call.waited = database.pool_wait
                _answer(call, documents.get(place))

    async def _isolate(self, batch: list[_Call]) -> None:
        """Send each by itself, so that only the wrong ones fail."""
        self.figures.isolated += len(batch)
        for call in batch:
            await self._run_alone(call)

    def _encode(self, batch: list[_Call]) -> str:
        merged = self.merged
        objects = []
        for place, call in enumerate(batch):
            parameters = call.parameters
            members = [f'{{"place":{place}']
            for name in merged.texts:
                value = parameters[name]
                if value is not None:
                    members.append(f'"{name}":{encode_basestring(value)}')
            for name in merged.documents:
                value = parameters[name]
                if value is not None:
                    members.append(f'"{name}":{value}')
            objects.append(",".join(members))
        return "[" + "},".join(objects) + "}]"


def _answer(call: _Call, document: bytes | None) -> None:
    if not call.outcome.done():
        call.outcome.set_result(document)


def _fail(call: _Call, error: BaseException) -> None:
    if not call.outcome.done():
        call.outcome.set_exception(error)
