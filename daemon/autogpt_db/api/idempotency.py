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
from autogpt_db.api.calls import encode
from autogpt_db.database.pool.idempotency import Outcome, Slot
from autogpt_db.errors import (
    CallError,
    IdempotencyKeyInvalidError,
    IdempotencyKeyReusedError,
    InternalError,
    PoolExhaustedError,
    ReplyNotKeptError,
)
from autogpt_db.metrics import families

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autogpt_db.api.calls import Call
    from autogpt_db.api.decoding import Decoding
    from autogpt_db.database.pool import Database, Pool
    from autogpt_db.metrics import Store
    from autogpt_db.operations import Operation
    from autogpt_db.settings import Settings

LONGEST_KEY = 255

_KEY = re.compile(rb"[\x21-\x7e]{1,%d}" % LONGEST_KEY)


@dataclass(slots=True, eq=False)
class _Flight:
    """A call under way, for those with the same key that come meanwhile.

    Attributes:
        fingerprint: Digest of its content.
        end: Its outcome; None when it was given up, and somebody else must begin.
    """

    fingerprint: bytes
    end: asyncio.Future[Outcome | None]

    @contextmanager
    def ending(self, call: Call) -> Iterator[None]:
        """Tell those who wait how the call failed, when it does."""
        try:
            yield
        except CallError as error:
            self._fail(None if call.given_up else error)
            raise
        except Exception:
            self._fail(InternalError(call.request_id))
            raise
        except BaseException:
            self._fail(None)
            raise

    def _fail(self, error: CallError | None) -> None:
        if error is None:
            self.end.set_result(None)
        else:
            self.end.set_exception(error)
            self.end.exception()  # if nobody waits, asyncio need not say so


class KeyedCalls:
    """The calls with a key in one process."""

    def __init__(
        self, database: Pool, settings: Settings, store: Store, decoding: Decoding
    ) -> None:
        """Begin with none.

        Args:
            database: The process's pool.
            settings: How long and how much is kept, and how many may wait.
            store: Where they are counted.
            decoding: Reads the bodies.
        """
        self._database = database
        self._decoding = decoding
        self._store = store
        # A rate needs a zero to start from.
        for answer in ("first", "replayed", "refused"):
            store.add(families.KEYED_CALLS, 0, answer)
        store.add(families.KEYED_RESOLVED, 0)
        store.set(families.KEYED_WAITING, 0)
        self._options = settings.idempotency
        self._flights: dict[tuple[str, bytes], _Flight] = {}
        self._waiting = 0

    async def call(self, call: Call, operation: Operation, body: list[bytes], key: bytes) -> Answer:
        """Answer a call of a write.

        Args:
            call: The request.
            operation: What it calls.
            body: The request's body, to be taken out of the list. Other bytes under the same key
                are another content.
            key: The header's value.

        Raises:
            IdempotencyKeyInvalidError: The header is no key.
            IdempotencyKeyReusedError: The key came before, with another content.
            ReplyNotKeptError: The reply is too large to be kept.
            CallError: The arguments don't fit, or the service failed: neither is kept.
        """
        try:
            answer = await self._answer(call, operation, body, key)
        except IdempotencyKeyReusedError:
            self._store.add(families.KEYED_CALLS, 1, "refused")
            raise
        self._store.add(families.KEYED_CALLS, 1, "replayed" if answer.replayed else "first")
        return answer

    async def _answer(
        self, call: Call, operation: Operation, body: list[bytes], key: bytes
    ) -> Answer:
        if not _KEY.fullmatch(key):
            raise IdempotencyKeyInvalidError(
                f"The header Idempotency-Key must be given once and be 1 to {LONGEST_KEY} visible "
                "ASCII characters."
            )
        arguments, fingerprint = await self._decoding.read(operation, body.pop(), digest=True)
        place = operation.name, key
        while (flight := self._flights.get(place)) is not None:
            if flight.fingerprint != fingerprint:
                raise reused(operation.name)
            with self._waits(call, UNDER_WAY):
                outcome = await asyncio.shield(flight.end)
            if outcome is not None:
                return Answer(*outcome, replayed=True)
        flight = _Flight(fingerprint, asyncio.get_running_loop().create_future())
        self._flights[place] = flight
        try:
            with flight.ending(call):
                answer = await self._lead(call, operation, arguments, flight, key)
        finally:
            del self._flights[place]
        flight.end.set_result(Outcome(answer.status, answer.reply))
        return answer

    async def _lead(
        self,
        call: Call,
        operation: Operation,
        arguments: dict[str, Any],
        flight: _Flight,
        key: bytes,
    ) -> Answer:
        async def work(database: Database) -> Outcome:
            return self._bounded(operation.name, await _outcome(operation, database, arguments))

        slot = Slot(operation.name, key.decode("ascii"), flight.fingerprint, self._options.keep)
        attempts = Attempts(
            self._database, call, slot, work, lambda reason: self._waits(call, reason)
        )
        answer = await attempts.settle()
        if attempts.lost:
            self._store.add(families.KEYED_RESOLVED, 1)
        return answer

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
                always wait: there are no more of those than connections.
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
        return Outcome(error.status.value, encode(error.body()))
