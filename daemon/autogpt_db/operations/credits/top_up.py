"""Automatic top-ups: a user's card is charged when their balance falls below their threshold.

First an inactive entry is written, under a key that is unique for the user and the graph
execution: it is what keeps two from being charged. It stays when the charge fails, and keeps that
graph execution from asking again. A process that ends between the charge and the entry leaves the
entry to the job settle_top_ups.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from autogpt_db.database.capabilities import ForSchema
from autogpt_db.errors import CallError, ServiceUnavailableError
from autogpt_db.gateways import payments
from autogpt_db.live_events.recording import user_balance_recorded
from autogpt_db.logs.events import methods as log
from autogpt_db.operations import background
from autogpt_db.operations.credits.ledger import reason

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.operations import Database
    from autogpt_db.settings import Settings

PAUSES = (0.2, 1.0, 2.0, 4.0)
"""Seconds before each repeat of entering what has been paid."""

# The balance has fallen by now; it is looked at again, because another top-up may have been
# quicker. The reservation says that the entry is ours, until it is known what became of it: the
# job settle_top_ups sees to those whose process did not live to know.
RESERVE: LiteralString = """
WITH reserved AS (
    INSERT INTO platform."CreditTransaction"
           ("transactionKey", "userId", "amount", "type", "runningBalance", "metadata", "isActive",
            "createdAt")
    SELECT %(key)s, %(user_id)s, wish.amount,
           CASE wish.amount WHEN 0 THEN 'CARD_CHECK' ELSE 'TOP_UP' END
               ::platform."CreditTransactionType",
           stored."balance", %(metadata)s::jsonb, false,
           date_trunc('milliseconds', clock_timestamp() AT TIME ZONE 'UTC')
      FROM platform."User" AS account
      JOIN platform."UserBalance" AS stored ON stored."userId" = account."id"
     CROSS JOIN LATERAL (
           SELECT (config.wish ->> 'amount')::integer AS amount,
                  (config.wish ->> 'threshold')::integer AS threshold
             FROM autogpt_db.top_up_config_v1(account."topUpConfig") AS config (wish)
           ) AS wish
     WHERE account."id" = %(user_id)s
       AND wish.amount >= 0
       AND stored."balance" < wish.threshold
       AND stored."balance"::bigint + wish.amount <= 2147483647
        ON CONFLICT ("transactionKey", "userId") DO NOTHING
    RETURNING "amount", "userId"
), ours AS (
    INSERT INTO autogpt_db.top_up_reservation (transaction_key, user_id, customer)
    SELECT %(key)s, account."id", account."stripeCustomerId"
      FROM reserved
      JOIN platform."User" AS account ON account."id" = reserved."userId"
        ON CONFLICT (transaction_key, user_id) DO UPDATE
       SET customer = EXCLUDED.customer,
           reserved_at = EXCLUDED.reserved_at,
           looked_at = NULL,
           finding = NULL
)
SELECT reserved."amount", account."stripeCustomerId"
  FROM reserved
  JOIN platform."User" AS account ON account."id" = reserved."userId"
"""

# A repeat after a lost answer finds no inactive entry of this key any more, and adds nothing. The
# entry takes its place in the ledger at the moment when it counts.
ENTER = ForSchema(
    lambda capabilities: (
        f"""
WITH paid AS MATERIALIZED (
    SELECT "amount"
      FROM platform."CreditTransaction"
     WHERE "transactionKey" = %(key)s AND "userId" = %(user_id)s AND NOT "isActive"
       FOR UPDATE
), moved AS (
    UPDATE platform."UserBalance" AS stored
       SET "balance" = stored."balance" + paid."amount",
           "updatedAt" = date_trunc('milliseconds', clock_timestamp() AT TIME ZONE 'UTC')
      FROM paid
     WHERE stored."userId" = %(user_id)s
    RETURNING stored."balance", stored."updatedAt"
), settled AS (
    DELETE FROM autogpt_db.top_up_reservation AS reservation
     WHERE reservation.transaction_key = %(key)s
       AND reservation.user_id = %(user_id)s
       AND (EXISTS (SELECT FROM moved) OR NOT EXISTS (SELECT FROM paid))
){user_balance_recorded(capabilities)}
UPDATE platform."CreditTransaction" AS entry
   SET "transactionKey" = %(payment)s,
       "isActive" = true,
       "runningBalance" = moved."balance",
       "createdAt" = moved."updatedAt"
  FROM moved
 WHERE entry."transactionKey" = %(key)s AND entry."userId" = %(user_id)s AND NOT entry."isActive"
"""
    )
)

FORGET: LiteralString = """
DELETE FROM autogpt_db.top_up_reservation
 WHERE transaction_key = %(key)s AND user_id = %(user_id)s
"""


class _Wish(NamedTuple):
    user_id: str
    graph_exec_id: str | None

    @property
    def key(self) -> str:
        return f"AUTO-TOP-UP-{self.user_id}-{self.graph_exec_id}"


def top_up(database: Database, user_id: str, graph_exec_id: str | None) -> None:
    """Top a user's balance up from their card, beside the call that found it too low.

    Whatever fails is logged; the spending that led here never fails. Without a payment provider
    nothing is written, so that AutoGPT's own services, which have its key, are not kept from
    trying.

    Args:
        database: A handle for this call.
        user_id: Whose balance is below their threshold.
        graph_exec_id: The graph execution that it was spent on, if any.
    """
    wish = _Wish(user_id, graph_exec_id)
    settings = database.settings
    if settings.credits.stripe_api_key is None:
        log.auto_top_up_skipped(user_id=wish.user_id, graph_exec_id=wish.graph_exec_id)
    elif not payments.available():
        _failed(wish, "the client library is missing: install autogpt-db[stripe]")
    else:
        own = database.another_call(log.auto_top_up.name, reads=False)
        background.start(
            log.auto_top_up.name,
            partial(_top_up, own, settings, wish),
            partial(_failed, wish, "too many are under way"),
        )


async def _top_up(database: Database, settings: Settings, wish: _Wish) -> None:
    payment = None
    try:
        reserved = await _reserve(database, wish)
        if reserved is None:
            return
        amount, customer = reserved
        if not customer:
            _failed(wish, "the user is no customer of the payment provider")
            await _forget(database, wish)
            return
        payment = await payments.charge(settings.credits, customer, amount, wish.key, wish.user_id)
        if await background.attempt(partial(_enter, database, wish, payment), pauses=PAUSES):
            log.auto_top_up(
                user_id=wish.user_id,
                graph_exec_id=wish.graph_exec_id,
                amount=amount,
                payment=payment,
            )
        else:
            _not_entered(wish, payment, "the database could not be reached")
    except (payments.PaymentError, CallError) as error:
        if payment is None:
            _failed(wish, str(error))
            if isinstance(error, payments.PaymentError):
                await _forget(database, wish)
        else:
            _not_entered(wish, payment, str(error))
    except payments.PaymentUnknownError as error:
        _not_entered(wish, payment, str(error))
    except BaseException as error:
        _not_entered(wish, payment, f"it was ended: {type(error).__name__}")
        raise


async def _reserve(database: Database, wish: _Wish) -> tuple[int, str | None] | None:
    """Write the inactive entry; return its amount and whom to charge, or None: not to be done."""
    metadata = _metadata_of(f"Auto top up credits for {wish.user_id}")
    parameters = {"user_id": wish.user_id, "key": wish.key, "metadata": metadata}
    row = await database.row(RESERVE, parameters)
    return None if row is None else (row[0], row[1])


async def _enter(database: Database, wish: _Wish, payment: str) -> bool:
    """Make the entry count; False when it should be tried again."""
    try:
        await database.execute(
            ENTER(database.capabilities),
            {"user_id": wish.user_id, "key": wish.key, "payment": payment},
        )
    except ServiceUnavailableError:
        return False
    return True


async def _forget(database: Database, wish: _Wish) -> None:
    """Say that nothing was charged: there is nothing to look for."""
    with suppress(CallError):  # then it is looked for, and not found
        await database.execute(FORGET, {"user_id": wish.user_id, "key": wish.key})


def _metadata_of(text: str) -> str:
    """Return an entry's metadata as AutoGPT writes those of top-ups: a reason inside a reason."""
    return f'{{"reason": {reason(text)}}}'


def _failed(wish: _Wish, why: str) -> None:
    log.auto_top_up_failed(user_id=wish.user_id, graph_exec_id=wish.graph_exec_id, reason=why)


def _not_entered(wish: _Wish, payment: str | None, why: str) -> None:
    log.auto_top_up_not_entered(
        user_id=wish.user_id, graph_exec_id=wish.graph_exec_id, payment=payment, reason=why
    )
