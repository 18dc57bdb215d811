"""Credits: what users have, and what their executions cost them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from autogpt_db.database.capabilities import ForSchema
from autogpt_db.errors import (
    InsufficientBalanceError,
    InvalidValueError,
    UniqueViolationError,
    UserNotFoundError,
)
from autogpt_db.live_events.recording import user_balance_recorded
from autogpt_db.operations import (
    Database,
    UsageTransactionMetadata,
    events,
    operation,
)
from autogpt_db.operations.credits.ledger import balance_of, raw_query, reason, record
from autogpt_db.operations.credits.refill import BROUGHT_FORWARD, refill_of
from autogpt_db.operations.credits.top_up import top_up
from autogpt_db.signatures.repeats import harmful, harmless

if TYPE_CHECKING:
    from typing import LiteralString

CREDITS_WITHOUT_ACCOUNTS = 100

# Where nothing was granted, only the month is another.
_MOVED: LiteralString = (
    '(SELECT moved."balance" FROM moved CROSS JOIN granted WHERE granted.amount > 0)'
)
# `held` waits for a change under way and then looks at the month again, so that of many calls in a
# new month exactly one fills up. What was found is added, never set: entries and balance agree
# whatever happens in between.
REFILL = ForSchema(
    lambda capabilities: (
        f"""
WITH moment AS MATERIALIZED (
    SELECT date_trunc('milliseconds', clock_timestamp() AT TIME ZONE 'UTC') AS now
), held AS MATERIALIZED (
    SELECT "balance"
      FROM platform."UserBalance"
     WHERE "userId" = %(user_id)s
       AND date_trunc('month', "updatedAt")
           <> date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC')
       FOR UPDATE
), history AS (
    SELECT COALESCE((
        SELECT "runningBalance"
          FROM platform."CreditTransaction", moment
         WHERE "userId" = %(user_id)s AND "isActive" AND "runningBalance" IS NOT NULL
           AND "createdAt" <= moment.now
         ORDER BY "createdAt" DESC
         LIMIT 1
    ), 0) AS balance
     WHERE NOT EXISTS (SELECT FROM platform."UserBalance" WHERE "userId" = %(user_id)s)
), granted AS MATERIALIZED (
    SELECT present.balance,
           GREATEST(%(refill)s::integer - present.balance, 0) AS amount,
           'MONTHLY-CREDIT-TOP-UP-' || to_char(moment.now, 'YYYY-MM-DD') AS key
      FROM (SELECT "balance" FROM held UNION ALL SELECT balance FROM history) AS present, moment
), moved AS (
    INSERT INTO platform."UserBalance" AS stored ("userId", "balance", "updatedAt")
    SELECT %(user_id)s, granted.balance + granted.amount, moment.now
      FROM granted, moment
     WHERE NOT EXISTS (
           SELECT FROM platform."CreditTransaction" AS entry
            WHERE entry."userId" = %(user_id)s AND entry."transactionKey" = granted.key
     )
        ON CONFLICT ("userId") DO UPDATE
       SET "balance" = stored."balance" + (SELECT amount FROM granted),
           "updatedAt" = EXCLUDED."updatedAt"
     WHERE date_trunc('month', stored."updatedAt") <> date_trunc('month', EXCLUDED."updatedAt")
    RETURNING "balance", "updatedAt"
), entered AS (
    INSERT INTO platform."CreditTransaction"
           ("transactionKey", "userId", "amount", "type", "runningBalance", "metadata",
            "isActive", "createdAt")
    SELECT granted.key, %(user_id)s, granted.amount, 'GRANT', moved."balance",
           %(metadata)s::jsonb, true, moved."updatedAt"
      FROM granted, moved
){user_balance_recorded(capabilities, _MOVED)}
SELECT moved."balance", granted.amount FROM moved, granted
"""
    )
)


class _SpentOn(msgspec.Struct):
    """What of a transaction's metadata is looked at."""

    graph_exec_id: str | None = None


@operation(reads=False, repeat=harmful("Spends again."))
async def spend_credits(
    database: Database,
    user_id: str,
    cost: int,
    metadata: UsageTransactionMetadata,
    fail_insufficient_credits: bool = True,
) -> int:
    """Take credits from a user's balance, all or nothing, and enter it in the ledger.

    Concurrent calls for one user queue up: the balance never falls below 0 unless it may.

    Args:
        user_id: Who pays.
        cost: Credits (US cents). A negative cost adds credits; 0 does nothing.
        metadata: What it was spent on; stored with the entry.
        fail_insufficient_credits: Whether a balance that doesn't suffice is an error; else it
            becomes negative.

    Returns:
        The new balance. 0 for a cost of 0, and wherever `credits.enabled` is false.

    Raises:
        InsufficientBalanceError: The balance doesn't suffice.
        UserNotFoundError: There is no such user.
        RawQueryError: The balance would be beyond an integer; or there is no such user, and credits
            are added or the balance may become negative.
    """
    if not database.settings.credits.enabled or cost == 0:
        return 0
    moved = await record(
        database,
        user_id,
        -cost,
        kind="USAGE",
        metadata=metadata,
        may_fall_below_zero=not fail_insufficient_credits,
    )
    if moved is None:
        raise await _refusal(database, user_id, -cost)
    if moved.top_up_wanted:
        top_up(database, user_id, _execution_of(metadata))
    return moved.balance


@operation(reads=False, repeat=harmless("A month's refill is entered once."))
async def get_credits(database: Database, user_id: str) -> int:
    """Return a user's balance; where there are monthly refills, filled up first.

    There are as `credits.monthly_refill` says, or as the database's AutoGPT release has it.

    Args:
        user_id: Whose.

    Returns:
        Credits (US cents); 100 wherever `credits.enabled` is false, 0 for an unknown user where
        nothing is filled up.

    Raises:
        RawQueryError: There is no such user, or filling up goes beyond an integer.
    """
    settings = database.settings.credits
    if not settings.enabled:
        return CREDITS_WITHOUT_ACCOUNTS
    balance = await balance_of(database, user_id)
    if not balance.of_another_month or not await _is_filled_up(database):
        return balance.credits
    parameters = {
        "user_id": user_id,
        "refill": settings.refill,
        "metadata": reason("Monthly credit refill"),
    }
    try:
        with raw_query():
            filled_up = await database.row(REFILL(database.capabilities), parameters)
    except UniqueViolationError:
        filled_up = None
    if filled_up is None:  # somebody else was quicker
        return (await balance_of(database, user_id)).credits
    new_balance: int
    new_balance, granted = filled_up
    if granted:
        events.forget_lack_of_credits(database.settings, user_id)
    return new_balance


async def _is_filled_up(database: Database) -> bool:
    settings, capabilities = database.settings.credits, database.capabilities
    refill = refill_of(settings, capabilities)
    if refill.is_on is None:
        row = await database.row(BROUGHT_FORWARD)
        refill = refill_of(settings, capabilities, row == (True,))
    return bool(refill.is_on)


async def _refusal(database: Database, user_id: str, amount: int) -> InvalidValueError:
    balance = await balance_of(database, user_id)
    if not balance.user_exists:
        return UserNotFoundError(user_id, f"User {user_id} not found")
    return InsufficientBalanceError(user_id, balance.credits, amount)


def _execution_of(metadata: str) -> str | None:
    # The rest of it, which may be long, is skipped unread.
    return msgspec.json.decode(metadata.encode(), type=_SpentOn).graph_exec_id
