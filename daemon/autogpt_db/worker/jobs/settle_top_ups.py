"""Automatic top-ups whose process did not live to enter what was charged."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, LiteralString, NamedTuple

from autogpt_db.errors import CallError, ServiceUnavailableError
from autogpt_db.gateways import payments
from autogpt_db.logs.events import methods as log
from autogpt_db.operations.credits.top_up import ENTER, FORGET
from autogpt_db.worker.figures import Figure, report
from autogpt_db.worker.registry import job

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autogpt_db.gateways.payments import Payment
    from autogpt_db.worker.handle import JobDatabase

AGE = 300
"""Seconds after which a top-up that hasn't ended is looked at; its own process may yet end it."""
LONGEST = 86_400
"""Seconds after which a charge that was never made cannot come any more."""
BATCH = 500

PENDING: LiteralString = """
SELECT reservation.transaction_key,
       reservation.user_id,
       reservation.customer,
       EXTRACT(epoch FROM reservation.reserved_at)::float8,
       EXTRACT(epoch FROM clock_timestamp() - reservation.reserved_at)::float8,
       reservation.finding,
       entry."amount"
  FROM autogpt_db.top_up_reservation AS reservation
  LEFT JOIN platform."CreditTransaction" AS entry
         ON entry."transactionKey" = reservation.transaction_key
        AND entry."userId" = reservation.user_id
        AND NOT entry."isActive"
 WHERE reservation.reserved_at < clock_timestamp() - make_interval(secs => %(age)s)
 ORDER BY reservation.looked_at NULLS FIRST, reservation.reserved_at
 LIMIT %(batch)s
"""

# An earlier top-up of the same key has been renamed to its payment.
ENTERED: LiteralString = """
SELECT "transactionKey"
  FROM platform."CreditTransaction"
 WHERE "userId" = %(user_id)s AND "transactionKey" = ANY (%(payments)s::text[])
"""

NOTE: LiteralString = """
UPDATE autogpt_db.top_up_reservation
   SET looked_at = clock_timestamp(),
       finding = %(finding)s
 WHERE transaction_key = %(key)s AND user_id = %(user_id)s
"""

UNSETTLED: LiteralString = """
SELECT count(*),
       COALESCE(max(EXTRACT(epoch FROM clock_timestamp() - reserved_at)), 0)::float8
  FROM autogpt_db.top_up_reservation
 WHERE reserved_at < clock_timestamp() - make_interval(secs => %(age)s)
"""


class _Reservation(NamedTuple):
    key: str
    user_id: str
    customer: str | None
    reserved_at: float
    age: float
    finding: str | None
    amount: int | None


@job(
    schedule="*/10 * * * *",
    when="charges of automatic top-ups are looked for whose process ended before they were entered",
    option="top_ups_schedule",
    time_limit=900.0,
    attempts=3,
)
async def settle_top_ups(database: JobDatabase) -> dict[str, Any]:
    """Enter what automatic top-ups have charged where their process ended before it could.

    The charge is looked for among the customer's payments since then, by the key of its entry. One
    that succeeded is entered. Else the entry stays inactive, which keeps its graph execution from
    charging again, and is reported: `auto_top_up_unsettled` in the log, and
    `autogpt_db_top_ups_unsettled`. Where a day later there is no payment there will be none, and it
    is let be. Only entries that this service has reserved are looked at, and nothing is charged.
    """
    found = await database.rows(PENDING, {"age": AGE, "batch": BATCH})
    entered = 0
    for done, row in enumerate(found):
        one = _Reservation(*row)
        if one.amount is None or one.customer is None:
            # Somebody has entered or removed it; or there was nobody who could be charged.
            await database.execute(FORGET, {"key": one.key, "user_id": one.user_id})
            continue
        try:
            entered += await _settle(database, one, one.customer, one.amount)
        except payments.PaymentError as error:
            log.top_ups_not_looked_up(reason=str(error), left=len(found) - done)
            break
        await database.progress(done + 1, len(found))
    ((unsettled, oldest),) = await database.rows(UNSETTLED, {"age": AGE})
    await report(
        database,
        [
            Figure("top_ups_unsettled", unsettled),
            Figure("top_ups_unsettled_oldest_seconds", oldest),
        ],
    )
    return {"entered": entered, "unsettled": unsettled}


async def _settle(database: JobDatabase, one: _Reservation, customer: str, amount: int) -> bool:
    """Enter the payment of a reservation if there is one; tell whether there was."""
    made: list[Payment] = []
    try:
        made = await _not_entered(database, one, customer, amount)
        finding = _finding(made, amount)
        if finding is None:
            payment = made[0].id
            parameters = {"key": one.key, "user_id": one.user_id, "payment": payment}
            await database.execute(ENTER(database.capabilities), parameters)
            log.auto_top_up_settled(
                user_id=one.user_id, transaction_key=one.key, amount=amount, payment=payment
            )
            return True
    except payments.PaymentUnknownError as error:
        finding = str(error)
    except ServiceUnavailableError:
        raise
    except CallError as error:
        finding = f"{made[0].id} cannot be entered: {error}" if made else str(error)
    else:
        if not made and one.age > LONGEST:
            log.auto_top_up_never_charged(user_id=one.user_id, transaction_key=one.key)
            await database.execute(FORGET, {"key": one.key, "user_id": one.user_id})
            return False
    if finding != one.finding:
        level = logging.ERROR if made else logging.WARNING
        log.auto_top_up_unsettled.at(
            level,
            user_id=one.user_id,
            transaction_key=one.key,
            amount=amount,
            reason=finding,
        )
    parameters = {"key": one.key, "user_id": one.user_id, "finding": finding}
    await database.execute(NOTE, parameters)
    return False


async def _not_entered(
    database: JobDatabase, one: _Reservation, customer: str, amount: int
) -> list[Payment]:
    """Return what was charged for a reservation, without what has an entry."""
    made = await payments.find(
        database.settings.credits, customer, amount, one.key, one.user_id, since=one.reserved_at
    )
    names = [payment.id for payment in made]
    rows = await database.rows(ENTERED, {"user_id": one.user_id, "payments": names})
    entered = {row[0] for row in rows}
    return [payment for payment in made if payment.id not in entered]


def _finding(made: Sequence[Payment], amount: int) -> str | None:
    """Say why these payments cannot be entered; None when they are one that can."""
    if not made:
        return "the provider knows of no payment"
    if len(made) > 1:
        return f"there are several payments: {', '.join(payment.id for payment in made)}"
    (payment,) = made
    if payment.status != "succeeded":
        return f"{payment.id} is {payment.status}"
    if payment.returned:
        return f"{payment.id} was refunded or is disputed"
    if payment.amount != amount:
        return f"{payment.id} is of {payment.amount}"
    return None
