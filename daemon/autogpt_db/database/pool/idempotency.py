"""Outcomes kept under a client's key, in the transaction that has made them.

The key is held by a transaction's advisory lock, which is asked for and never waited for: whoever
comes second gives the connection back and asks again later. The lock ends with its transaction,
so that whoever gets it knows how the last one ended: committed with a row, or without effect.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from autogpt_db.errors import StatementCollidedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import LiteralString

    from autogpt_db.database.pool.call import Call
    from autogpt_db.database.pool.database import Database
    from autogpt_db.database.pool.statements import Statements

BATCH = 5000
"""Expired rows that one statement deletes."""

CLAIM: LiteralString = """
SELECT claimed, fingerprint, status, reply, transaction_id
  FROM autogpt_db.claim_idempotency_key_v2(
           %(method)s, %(key)s, make_interval(secs => %(keep)s)
       )
"""

# An expired row that nobody has deleted yet is replaced.
KEEP: LiteralString = """
INSERT INTO autogpt_db.idempotency_key AS kept (method, key, fingerprint, status, reply)
VALUES (%(method)s, %(key)s, %(fingerprint)b, %(status)s, %(reply)b)
    ON CONFLICT (method, key) DO UPDATE
   SET fingerprint = EXCLUDED.fingerprint,
       status = EXCLUDED.status,
       reply = EXCLUDED.reply,
       created_at = EXCLUDED.created_at,
       transaction_id = EXCLUDED.transaction_id
 WHERE kept.created_at <= clock_timestamp() - make_interval(secs => %(keep)s)
RETURNING transaction_id::text
"""

# A row that is being replaced or deleted just now is left to whoever does it.
DELETE_EXPIRED: LiteralString = """
DELETE FROM autogpt_db.idempotency_key
 WHERE (method, key) IN (
       SELECT method, key
         FROM autogpt_db.idempotency_key
        WHERE created_at <= now() - make_interval(secs => %(keep)s)
        ORDER BY created_at
        LIMIT %(batch)s
          FOR UPDATE SKIP LOCKED
 )
"""


class Outcome(NamedTuple):
    """How a call has ended.

    Attributes:
        status: The reply's HTTP status; from 400 on what the call has written is undone.
        reply: The reply's body.
        keeps_writes: Whether it stays nevertheless.
    """

    status: int
    reply: bytes
    keeps_writes: bool = False


class Kept(NamedTuple):
    """What stands under a key.

    Attributes:
        fingerprint: Digest of the content of the call that it answers.
        outcome: That call's.
        transaction_id: The transaction that wrote it.
    """

    fingerprint: bytes
    outcome: Outcome
    transaction_id: str


@dataclass(slots=True)
class Slot:
    """A key's place.

    Attributes:
        method: The method that the key belongs to.
        key: The client's key.
        fingerprint: Digest of the call's content.
        keep: Seconds for which an outcome stands.
        transaction_id: The transaction that has written an outcome here and was about to commit.
    """

    method: str
    key: str
    fingerprint: bytes
    keep: float
    transaction_id: str | None = None


async def run_once(
    call: Call, slot: Slot, work: Callable[[Database], Awaitable[Outcome]]
) -> Kept | None:
    """Do a key's work and keep its outcome, both or neither, unless there is one already.

    Args:
        call: What this attempt goes through.
        slot: The key.
        work: Does it inside the transaction that it is given. What it raises undoes everything, and
            nothing is kept.

    Returns:
        What stands under the key now; None while another transaction is at work on it.

    Raises:
        OutcomeUnknownError: The connection was lost. Calling again with the same slot tells how it
            ended.
    """
    place = {"method": slot.method, "key": slot.key, "keep": slot.keep}
    async with call.transaction() as transaction:
        row = await transaction.row(CLAIM, place)
        assert row is not None
        claimed, fingerprint, status, reply, transaction_id = row
        if not claimed:
            return None
        if fingerprint is not None:
            return Kept(fingerprint, Outcome(status, reply), transaction_id)
        await transaction.make_undoable()
        outcome = await work(transaction)
        if outcome.status >= 400 and not outcome.keeps_writes:  # noqa: PLR2004 - HTTP's number
            await transaction.undo()
        row = await transaction.row(KEEP, place | _columns(slot, outcome))
        if row is None:
            raise StatementCollidedError("The key was used by another call; try again.")
        slot.transaction_id = row[0]
    assert slot.transaction_id is not None
    return Kept(slot.fingerprint, outcome, slot.transaction_id)


async def delete_expired(database: Statements, keep: float) -> int:
    """Delete outcomes older than `keep` seconds, in batches; return how many."""
    total = 0
    while True:
        deleted = await database.execute(DELETE_EXPIRED, {"keep": keep, "batch": BATCH})
        total += deleted
        if deleted < BATCH:
            return total


def _columns(slot: Slot, outcome: Outcome) -> dict[str, object]:
    return {
        "fingerprint": slot.fingerprint,
        "status": outcome.status,
        "reply": outcome.reply,
    }
