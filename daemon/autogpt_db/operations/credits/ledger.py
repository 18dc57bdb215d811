"""The ledger of credits: every change of a balance and its entry, in one statement."""

from __future__ import annotations

import json
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from autogpt_db.database.capabilities import ForSchema
from autogpt_db.errors import InvalidValueError, RawQueryError, UniqueViolationError
from autogpt_db.live_events.recording import user_balance_recorded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities
    from autogpt_db.operations import Database

# What a user without a balance starts from: the newest entry that knows one. No row for a user
# with a balance.
HISTORY: LiteralString = """
history AS (
    SELECT COALESCE((
        SELECT "runningBalance"
          FROM platform."CreditTransaction"
         WHERE "userId" = %(user_id)s AND "isActive" AND "runningBalance" IS NOT NULL
         ORDER BY "createdAt" DESC
         LIMIT 1
    ), 0) AS balance
     WHERE NOT EXISTS (SELECT FROM platform."UserBalance" WHERE "userId" = %(user_id)s)
)"""


# The upsert's conflict takes the row's lock and then sees its newest version: concurrent changes
# of one balance queue up, and of two first ones the second adds to what the first has made. A
# conflict also occurs where the statement's snapshot shows no row yet, so the condition is there
# twice.
def _recording(capabilities: Capabilities, *, may_fall_below_zero: bool) -> LiteralString:
    covered: LiteralString = ""
    still_covered: LiteralString = ""
    if not may_fall_below_zero:
        covered = """
     WHERE history.balance IS NULL OR given.amount >= 0 OR history.balance + given.amount >= 0"""
        still_covered = """
     WHERE %(amount)s::integer >= 0 OR stored."balance" + %(amount)s::integer >= 0"""
    return f"""
WITH {HISTORY}, moved AS (
    INSERT INTO platform."UserBalance" AS stored ("userId", "balance", "updatedAt")
    SELECT %(user_id)s,
           COALESCE(history.balance, 0) + %(amount)s::integer,
           date_trunc('milliseconds', clock_timestamp() AT TIME ZONE 'UTC')
      FROM (VALUES (%(amount)s::integer)) AS given (amount)
      LEFT JOIN history ON true{covered}
        ON CONFLICT ("userId") DO UPDATE
       SET "balance" = stored."balance" + %(amount)s::integer,
           "updatedAt" = date_trunc('milliseconds', clock_timestamp() AT TIME ZONE 'UTC'){
        still_covered
    }
    RETURNING "balance", "updatedAt"
), entered AS (
    INSERT INTO platform."CreditTransaction"
           ("transactionKey", "userId", "amount", "type", "runningBalance", "metadata",
            "isActive", "createdAt")
    SELECT %(key)s, %(user_id)s, %(amount)s::integer,
           %(kind)s::text::platform."CreditTransactionType",
           moved."balance", %(metadata)s::jsonb, true, moved."updatedAt"
      FROM moved
){user_balance_recorded(capabilities)}
SELECT moved."balance",
       COALESCE(wish.threshold > 0 AND moved."balance" < wish.threshold, false)
  FROM moved
  LEFT JOIN (
       SELECT (autogpt_db.top_up_config_v1("topUpConfig") ->> 'threshold')::numeric AS threshold
         FROM platform."User"
        WHERE "id" = %(user_id)s AND "topUpConfig" IS NOT NULL
  ) AS wish ON true
"""


RECORD = ForSchema(lambda capabilities: _recording(capabilities, may_fall_below_zero=False))
RECORD_WHATEVER_IS_LEFT = ForSchema(
    lambda capabilities: _recording(capabilities, may_fall_below_zero=True)
)

BALANCE: LiteralString = """
SELECT COALESCE(stored."balance", history."runningBalance", 0),
       date_trunc('month', COALESCE(stored."updatedAt", history."createdAt", '-infinity'))
           <> date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC'),
       EXISTS (SELECT FROM platform."User" WHERE "id" = %(user_id)s)
  FROM (VALUES (1)) AS always
  LEFT JOIN platform."UserBalance" AS stored ON stored."userId" = %(user_id)s
  LEFT JOIN LATERAL (
       SELECT "runningBalance", "createdAt"
         FROM platform."CreditTransaction"
        WHERE stored."userId" IS NULL
          AND "userId" = %(user_id)s AND "isActive" AND "runningBalance" IS NOT NULL
          AND "createdAt" <= clock_timestamp() AT TIME ZONE 'UTC'
        ORDER BY "createdAt" DESC
        LIMIT 1
  ) AS history ON true
"""


class Movement(NamedTuple):
    """A change of a balance that has been recorded.

    Attributes:
        balance: The new balance, in credits.
        top_up_wanted: Whether it is below the threshold of the user's automatic top-ups.
    """

    balance: int
    top_up_wanted: bool


class Balance(NamedTuple):
    """A balance as it stands.

    Attributes:
        credits: It.
        of_another_month: Whether it was last changed in another month than this one, UTC.
        user_exists: Whether there is such a user at all.
    """

    credits: int
    of_another_month: bool
    user_exists: bool


async def record(
    database: Database,
    user_id: str,
    amount: int,
    *,
    kind: str,
    metadata: str,
    key: str | None = None,
    may_fall_below_zero: bool = False,
) -> Movement | None:
    """Add to a user's balance and write the entry that says so, both or neither.

    Args:
        database: A handle for this call.
        user_id: Whose balance.
        amount: Credits to add; a negative amount is only taken if the balance stays 0 or more, or
            may fall below.
        kind: The entry's "CreditTransactionType".
        metadata: The entry's metadata: JSON text.
        key: The entry's key, unique for the user; None stands for a new uuid.
        may_fall_below_zero: Whether the balance may become negative.

    Returns:
        None when the balance doesn't suffice; nothing was written then.

    Raises:
        RawQueryError: The new balance is beyond an integer, or there is no such user.
        UniqueViolationError: The user has an entry with this key.
    """
    parameters = {
        "user_id": user_id,
        "amount": amount,
        "kind": kind,
        "metadata": metadata,
        "key": key or str(uuid.uuid4()),
    }
    with raw_query():
        statement = RECORD_WHATEVER_IS_LEFT if may_fall_below_zero else RECORD
        row = await database.row(statement(database.capabilities), parameters)
    return None if row is None else Movement(*row)


async def balance_of(database: Database, user_id: str) -> Balance:
    """Return a user's balance; 0, last changed in no month, for one that never had any."""
    row = await database.row(BALANCE, {"user_id": user_id})
    assert row is not None
    return Balance(*row)


@contextmanager
def raw_query() -> Iterator[None]:
    """Give refusals of values the class that AutoGPT's raw statements give them."""
    try:
        yield
    except UniqueViolationError:
        raise
    except InvalidValueError as error:
        raise RawQueryError(*error.args) from error


def reason(text: str) -> str:
    """Return the metadata of an entry that only says why."""
    return json.dumps({"reason": text})
