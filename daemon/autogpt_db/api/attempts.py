"""One call with an idempotency key, attempted until its end is known."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from autogpt_db.backoff import Backoff
from autogpt_db.database.pool.idempotency import run_once
from autogpt_db.errors import (
    DatabaseUnavailableError,
    IdempotencyKeyReusedError,
    OutcomeUnknownError,
    ServiceUnavailableError,
    StatementCollidedError,
)
from autogpt_db.logs.events import api as log
from autogpt_db.operations import background

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractContextManager

    from autogpt_db.api.calls import Call
    from autogpt_db.database.pool import Database, Pool
    from autogpt_db.database.pool.idempotency import Kept, Outcome, Slot

MOST_RUNS = 2
"""How often one call does its work: once more after a collision or a lost connection."""
BETWEEN_LOOKS = Backoff(first=0.01, longest=0.25)
"""Pauses between two looks at a key that another process holds, or at a database that is away."""

UNDER_WAY = "another call with the same Idempotency-Key is still under way"
NOT_KNOWN = "the database connection was lost, and it is not known yet whether it was applied"


class Answer(NamedTuple):
    """What a call with a key is answered.

    Attributes:
        status: The reply's HTTP status.
        reply: The reply's body: the same bytes for every call with the key.
        replayed: Whether another call did the work.
    """

    status: int
    reply: bytes
    replayed: bool


class _RunsSpentError(DatabaseUnavailableError):
    """Each run has lost its connection, and none has left a trace."""


def _nothing() -> None:
    """Publish nothing."""


@dataclass(slots=True, eq=False)
class Attempts:
    """What has been tried of one call.

    Attributes:
        database: The process's pool.
        call: The request.
        slot: Its key's place.
        work: What is to be done once, on a handle inside the key's transaction.
        pausing: Makes the context of a pause from what is waited for: no connection is held in it.
        runs: How often the work was begun.
        lost: Whether a connection was lost. Once the work has begun only the key tells then what
            became of it.
        publish: Publishes what the latest run had to tell.
        merged_away: Whether the connection was lost under a merged statement that was to do the
            work: whose row it is then that stands there, ours most likely, nobody knows.
    """

    database: Pool
    call: Call
    slot: Slot
    work: Callable[[Database], Awaitable[Outcome]]
    pausing: Callable[[str], AbstractContextManager[None]]
    runs: int = 0
    lost: bool = False
    publish: Callable[[], None] = _nothing
    merged_away: bool = False

    async def settle(self) -> Answer:
        """Attempt it until its end is known, for as long as the client waits.

        Raises:
            CallError: It has failed, nothing was written, and nothing is kept.
        """
        looks = 0
        while True:
            with background.held() as release:
                kept = await self._attempt(release)
            if kept is not None:
                return self._answer(kept)
            reason = NOT_KNOWN if self.call.in_doubt else UNDER_WAY
            if self.call.given_up:
                raise DatabaseUnavailableError(f"Given up: {reason}.")
            looks += 1
            with self.pausing(reason):
                await asyncio.sleep(BETWEEN_LOOKS.pause(looks))

    async def _attempt(self, release: Callable[[], None]) -> Kept | None:
        """Do the work or find its outcome; None when it must be tried again."""

        async def work(database: Database) -> Outcome:
            if self.runs == MOST_RUNS:
                raise _RunsSpentError(
                    "The database connection was lost each time; nothing was written. Try again "
                    "shortly."
                )
            self.runs += 1
            self.publish = release
            # Whoever has the key knows how the last run ended: without effect.
            self.call.in_doubt = False
            self.call.waits_for = None
            return await self.work(database)

        self.call.handle = handle = self.database.call(
            self.slot.method, reads=False, deadline=self.call.deadline
        )
        try:
            return await run_once(handle, self.slot, work)
        except (StatementCollidedError, _RunsSpentError):
            if self.runs == MOST_RUNS:
                raise
        except OutcomeUnknownError as error:
            self._lose(error)
        except ServiceUnavailableError:
            if not self.call.in_doubt:
                raise
        return None

    def _lose(self, error: OutcomeUnknownError) -> None:
        """Take note that the connection was lost."""
        if self.runs:
            self.call.in_doubt = True
            self.call.waits_for = NOT_KNOWN
        elif self.lost:
            raise DatabaseUnavailableError(
                "The database connection was lost before anything was written; try again shortly."
            ) from error
        self.lost = True

    def _answer(self, kept: Kept) -> Answer:
        if kept.fingerprint != self.slot.fingerprint:
            raise reused(self.slot.method)
        status, reply = kept.outcome.status, kept.outcome.reply
        written = self.slot.transaction_id
        ours = kept.transaction_id == written if written else self.merged_away
        if self.lost:
            log.outcome_found(method=self.slot.method, runs=self.runs)
        if ours and status < HTTPStatus.BAD_REQUEST:
            self.publish()
        return Answer(status, reply, replayed=not ours)


def reused(method: str) -> IdempotencyKeyReusedError:
    """Return the failure of a key that comes with another content."""
    return IdempotencyKeyReusedError(
        f"This Idempotency-Key was used for another call of {method}: its content was not the "
        "same. Take a new key for each call, and the same only to repeat one."
    )
