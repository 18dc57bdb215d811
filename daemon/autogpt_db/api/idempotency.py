"""Writes with an `Idempotency-Key`: done once, and answered alike however often they come.

Calls with one key in one process share a future; across processes and hosts whoever finds the key
taken asks again, less and less often. Neither holds a connection while it waits, and no more may
wait than `idempotency.max_waiting`.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from autogpt_db.api.attempts import NOT_KNOWN, UNDER_WAY, Answer, Attempts, reused
from autogpt_db.api.calls import NO_HEADERS
from autogpt_db.api.replies import encode
from autogpt_db.database.pool.idempotency import Outcome, Slot
from autogpt_db.database.pool.merged import NotKeptError
from autogpt_db.errors import (
    CallError,
    IdempotencyKeyInvalidError,
    IdempotencyKeyReusedError,
    InternalError,
    LockedError,
    OutcomeUnknownError,
    PoolExhaustedError,
    ReplyNotKeptError,
    StatementCollidedError,
    WritesRefusedError,
)
from autogpt_db.metrics import families

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autogpt_db.api.calls import Call
    from autogpt_db.database.pool import Database, Pool
    from autogpt_db.metrics import Store
    from autogpt_db.operations import Operation
    from autogpt_db.settings import Settings

LONGEST_KEY = 255

_REPLAYED = (b"idempotency-replayed", b"true")
_KEY = re.compile(rb"[\x21-\x7e]{1,%d}" % LONGEST_KEY)


@dataclass(slots=True, eq=False)
class _Flight:
    """A call under way, for those with the same key that come meanwhile.

    Attributes:
        fingerprint: Digest of its content.
        end: Its outcome, where somebody waits for it; None when it was given up, and somebody else
            must begin.
    """

    fingerprint: bytes
    end: asyncio.Future[Outcome | None] | None = None

    async def ended(self) -> Outcome | None:
        """Wait for its end; whoever is cancelled meanwhile leaves it to the others."""
        if self.end is None:
            self.end = asyncio.get_running_loop().create_future()
        return await asyncio.shield(self.end)

    def succeed(self, answer: Answer) -> None:
        """Tell those who wait how it was answered."""
        if self.end is not None:
            self.end.set_result(Outcome(answer.status, answer.reply))

    def fail(self, call: Call, error: BaseException) -> None:
        """Tell those who wait how it failed; where it was given up, one of them begins anew."""
        if self.end is None:
            return
        if isinstance(error, CallError) and not call.given_up:
            self.end.set_exception(error)
        elif isinstance(error, Exception) and not isinstance(error, CallError):
            self.end.set_exception(InternalError(call.request_id))
        else:
            self.end.set_result(None)
            return
        self.end.exception()  # if nobody waits any more, asyncio need not say so


def check_key(key: bytes) -> None:
    """Refuse what is no key.

    Raises:
        IdempotencyKeyInvalidError: It is none, or several.
    """
    if not _KEY.fullmatch(key):
        raise IdempotencyKeyInvalidError(
            f"The header Idempotency-Key must be given once and be 1 to {LONGEST_KEY} visible "
            "ASCII characters."
        )


class KeyedCalls:
    """The calls with a key in one process."""

    def __init__(self, database: Pool, settings: Settings, store: Store) -> None:
        """Begin with none.

        Args:
            database: The process's pool.
            settings: How long and how much is kept, and how many may wait.
            store: Where they are counted.
        """
        self._database = database
        self._store = store
        self._counts = store.values
        # A rate needs a zero to start from.
        self._first, self._replayed, self._refused = (
            store.place(families.KEYED_CALLS, answer) for answer in ("first", "replayed", "refused")
        )
        store.add(families.KEYED_RESOLVED, 0)
        store.set(families.KEYED_WAITING, 0)
        self._options = settings.idempotency
        self._flights: dict[tuple[str, bytes], _Flight] = {}
        self._waiting = 0

    async def call(
        self, call: Call, operation: Operation, values: dict[str, Any], digest: bytes
    ) -> bytes | None:
        """Serve a call of a write; its head has a key that was checked.

        Args:
            call: The request.
            operation: What it calls.
            values: Its arguments.
            digest: The body's: other bytes under the same key are another content.

        Returns:
            The reply; None: it has been sent, because it says more than a reply of this call would.

        Raises:
            IdempotencyKeyReusedError: The key came before, with another content.
            ReplyNotKeptError: The reply is too large to be kept.
            CallError: The service failed, which is not kept.
        """
        call.reads = False
        answer = await self._answer(call, operation, values, digest)
        call.replayed = answer.replayed
        self._counts[self._replayed if answer.replayed else self._first] += 1.0
        if call.given_up or (answer.status == HTTPStatus.OK and not answer.replayed):
            return answer.reply
        call.reply(answer.status, answer.reply, [_REPLAYED] if answer.replayed else NO_HEADERS)
        return None

    async def _answer(
        self, call: Call, operation: Operation, values: dict[str, Any], digest: bytes
    ) -> Answer:
        """Do the call, or wait for the one with the same key that is under way."""
        place = operation.name, call.head.key or b""
        try:
            while (flight := self._flights.get(place)) is not None:
                if flight.fingerprint != digest:
                    raise reused(operation.name)
                with self._waits(call, UNDER_WAY):
                    outcome = await flight.ended()
                if outcome is not None:
                    return Answer(outcome.status, outcome.reply, replayed=True)
            flight = self._flights[place] = _Flight(digest)
            slot = Slot(operation.name, place[1].decode("ascii"), digest, self._options.keep)
            try:
                answer = await self._at_once(call, operation, values, slot)
                if answer is None:
                    answer = await self._settle(call, operation, values, slot)
            except BaseException as error:
                flight.fail(call, error)
                raise
            finally:
                del self._flights[place]
        except IdempotencyKeyReusedError:
            self._counts[self._refused] += 1.0
            raise
        flight.succeed(answer)
        return answer

    async def _settle(
        self, call: Call, operation: Operation, values: dict[str, Any], slot: Slot
    ) -> Answer:
        """Do and keep it in a transaction."""

        async def work(database: Database) -> Outcome:
            return self._bounded(operation.name, await _outcome(operation, database, values))

        attempts = Attempts(
            self._database, call, slot, work, lambda reason: self._waits(call, reason),
            runs=int(call.in_doubt), lost=call.in_doubt, merged_away=call.in_doubt,
        )  # fmt: skip
        answer = await attempts.settle()
        if attempts.lost:
            self._store.add(families.KEYED_RESOLVED, 1)
        return answer

    async def _at_once(
        self, call: Call, operation: Operation, values: dict[str, Any], slot: Slot
    ) -> Answer | None:
        """Do and keep it with one statement, as most can be; None: it takes a transaction."""
        if not operation.at_once:
            return None
        call.handle = handle = self._database.keyed_call(
            slot, deadline=call.deadline, most_bytes=self._options.reply_limit
        )
        try:
            await operation.call(handle, values)
        except (NotKeptError, LockedError, StatementCollidedError):
            pass  # nothing was written
        except WritesRefusedError:
            pass  # nor is it, but a repeat's reply can be read
        except OutcomeUnknownError:
            call.in_doubt = True
            call.waits_for = NOT_KNOWN
        except CallError as error:
            if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
        return None if handle.kept is None else Answer(200, handle.kept, replayed=False)

    def _bounded(self, method: str, outcome: Outcome) -> Outcome:
        size, limit = len(outcome.reply), self._options.reply_limit
        if size > limit:
            raise ReplyNotKeptError(
                f"The reply to {method} has {size} bytes, and idempotency.reply_limit is {limit}: "
                "it could not be kept for a repeat, so nothing was written. Raise the limit, or "
                "call without Idempotency-Key."
            )
        return outcome

    @contextmanager
    def _waits(self, call: Call, reason: str) -> Iterator[None]:
        """Wait without a connection, so that the request is given up at once when its time is up.

        Raises:
            PoolExhaustedError: Too many wait already. A call that has lost its connection may
                always wait: there are no more of those than a batch on each connection.
        """
        if reason is not NOT_KNOWN and self._waiting >= self._options.max_waiting:
            raise PoolExhaustedError(
                "Too many calls are waiting for others with the same Idempotency-Key; try again "
                "shortly."
            )
        self._count_waiting(+1)
        call.handle = None
        call.waits_for = reason  # until the work begins
        try:
            yield
        finally:
            self._count_waiting(-1)

    def _count_waiting(self, more: int) -> None:
        self._waiting += more
        self._store.set(families.KEYED_WAITING, self._waiting)


async def _outcome(operation: Operation, database: Database, arguments: dict[str, Any]) -> Outcome:
    try:
        return Outcome(HTTPStatus.OK.value, await operation.call(database, arguments))
    except CallError as error:
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise
        return Outcome(error.status.value, encode(error.body()), error.keeps_writes)
