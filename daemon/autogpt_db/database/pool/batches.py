"""Sending calls as one statement, and by themselves where that fails."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from autogpt_db.database.pool.merged import KeyedMerged, NotKeptError
from autogpt_db.database.pool.tracing import batch_traced
from autogpt_db.errors import (
    DeadlineExceededError,
    LockedError,
    ServiceUnavailableError,
    StatementCollidedError,
)
from autogpt_db.spans import SPAN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from autogpt_db.database.pool.merged import Merged, Sender
    from autogpt_db.database.pool.reply_sizes import ReplySizes
    from autogpt_db.spans import Span

LARGEST_BATCH = 64
"""Calls in one statement: more gain nothing, and make the first ones wait for the last."""
LARGEST_READ = 16
"""Calls that only read in one statement: of the first ones it is not known how much they bring."""
ISOLATED_AT_ONCE = 4
"""Calls of failed batches of one kind that are sent at once, each by itself."""


class _Alone:
    """Instead of a document: nobody came along, so the caller sends its statement itself."""


ALONE = _Alone()


@dataclass(slots=True, eq=False)
class MergedCall:
    """A call that came in.

    Attributes:
        parameters: Its statement's.
        key: What no two calls under way at once may have in common.
        outcome: Its document, or `ALONE`.
        identity: Hash of its texts: what a call with the same brought, this one may bring.
        size: Characters of its parameters.
        waited: Seconds that its batch waited for a connection.
        taken: Whether it waits no longer: it is under way, or its caller's to send.
        span: What is traced of it from its coming in to its outcome; None: nothing.
    """

    parameters: Mapping[str, Any]
    key: tuple[Any, ...]
    outcome: asyncio.Future[bytes | _Alone | None]
    identity: int
    size: int
    waited: float = 0.0
    taken: bool = False
    span: Span | None = None


class Sent(NamedTuple):
    """What is in flight.

    Attributes:
        since: `time.monotonic()` moment from which it is.
        calls: How many they are.
    """

    since: float
    calls: int


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


class BatchSender:
    """Sends the batches of one `Merged`."""

    def __init__(
        self,
        merged: Merged | KeyedMerged,
        open_call: Callable[[], Sender],
        figures: Figures,
        replies: ReplySizes,
        let_go: Callable[[tuple[Any, ...]], None],
        traced_as: str | None,
    ) -> None:
        """Take what sending needs.

        Args:
            merged: The statements.
            open_call: Returns what one statement is sent through.
            figures: Where it is counted.
            replies: Where it is noted how large they are.
            let_go: Called with a key whose calls have all been sent by themselves.
            traced_as: What batches are called in traces; None: they are in none.
        """
        self._merged = merged
        self._leaves_out = isinstance(merged, KeyedMerged)
        self._open_call = open_call
        self._figures = figures
        self._replies = replies
        self._let_go = let_go
        self._traced_as = traced_as
        self._isolated = asyncio.Semaphore(ISOLATED_AT_ONCE)

    async def send(self, batch: list[MergedCall], held: set[tuple[Any, ...]]) -> None:
        """Send a batch, and give each of its calls its outcome.

        Args:
            batch: The calls.
            held: Their keys; each that is let go of before the end is taken out.
        """
        if self._traced_as is None:
            await self._send(batch, held)
            return
        with batch_traced(batch, self._traced_as):
            await self._send(batch, held)

    async def _send(self, batch: list[MergedCall], held: set[tuple[Any, ...]]) -> None:
        sender = self._open_call()
        self._figures.add_batch(len(batch))
        try:
            parameters = self._merged.parameters_of([call.parameters for call in batch])
            rows = await sender.rows(self._merged.batch, parameters)
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
                call.waited = sender.pool_wait
                if place in documents or not self._leaves_out:
                    self._answer(call, documents.get(place))
                else:
                    _fail(call, NotKeptError())

    async def _isolate(self, batch: list[MergedCall], held: set[tuple[Any, ...]]) -> None:
        """Send each by itself, so that only the wrong ones fail, and only the locked ones wait.

        Args:
            batch: The calls.
            held: Their keys; each is let go of with the last of its calls.
        """
        self._figures.isolated += len(batch)
        rows: dict[Any, list[MergedCall]] = {}
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
                self._let_go(calls[0].key)

        await asyncio.gather(*(run_in_turn() for _ in range(ISOLATED_AT_ONCE)))

    async def _run_alone(self, call: MergedCall) -> None:
        if self._traced_as is not None:
            SPAN.set(call.span)
        sender = self._open_call()
        self._figures.add_batch(1)
        try:
            document = await self._merged.alone(sender, call.parameters)
        except Exception as error:  # noqa: BLE001 - it is the caller's to deal with
            _fail(call, error)
        else:
            call.waited = sender.pool_wait
            self._answer(call, document)

    def _answer(self, call: MergedCall, document: bytes | None) -> None:
        self._replies.note(call.identity, document)
        if not call.outcome.done():
            call.outcome.set_result(document)


def _fail(call: MergedCall, error: BaseException) -> None:
    if not call.outcome.done():
        call.outcome.set_exception(error)
