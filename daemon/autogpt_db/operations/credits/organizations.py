"""Organizations' credits: a user's own goes on that user's account, every other has its own."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from autogpt_db.database.capabilities import ForSchema
from autogpt_db.errors import InsufficientBalanceError
from autogpt_db.live_events.recording import organization_balance_recorded
from autogpt_db.operations import (
    BOUNDED_CALLS,
    FEW_CALLS,
    Database,
    Merged,
    Resource,
    UsageTransactionMetadata,
    operation,
)
from autogpt_db.operations.credits.credits import (
    CREDITS_WITHOUT_ACCOUNTS,
    get_credits,
    spend_credits,
)
from autogpt_db.operations.credits.ledger import raw_query
from autogpt_db.signatures.repeats import harmful, harmless

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities


def _owner(org_id: LiteralString) -> LiteralString:
    return f"""
SELECT membership."userId"
  FROM platform."Organization" AS organization
  JOIN platform."OrgMember" AS membership ON membership."orgId" = organization."id"
 WHERE organization."id" = {org_id}
   AND organization."isPersonal"
   AND membership."isOwner"
 ORDER BY membership."createdAt", membership.ctid
 LIMIT 1
"""


_OWNER: LiteralString = _owner("%(org_id)s")

# What the organization of a user's own once had is a copy that nobody keeps up.
_BALANCE: LiteralString = f"""
SELECT ({_OWNER}),
       COALESCE((
           SELECT stored."balance" FROM platform."OrgBalance" AS stored
            WHERE stored."orgId" = %(org_id)s
       ), 0)
"""

_WHATEVER_IS_LEFT: LiteralString = """
    INSERT INTO platform."OrgBalance" AS stored ("orgId", "balance", "updatedAt")
    SELECT %(org_id)s, - %(cost)s::integer,
           date_trunc('milliseconds', clock_timestamp() AT TIME ZONE 'UTC')
     WHERE NOT EXISTS (SELECT FROM owner)
        ON CONFLICT ("orgId") DO UPDATE
       SET "balance" = stored."balance" - %(cost)s::integer,
           "updatedAt" = date_trunc('milliseconds', clock_timestamp() AT TIME ZONE 'UTC')
    RETURNING stored."balance", stored."updatedAt"
"""


_MOMENT: LiteralString = "date_trunc('milliseconds', clock_timestamp() AT TIME ZONE 'UTC')"
_ENTERED: LiteralString = """
    INSERT INTO platform."OrgCreditTransaction"
           ("transactionKey", "orgId", "initiatedByUserId", "teamId", "amount", "type",
            "runningBalance", "isActive", "metadata", "createdAt")"""


# The change waits for those before it, and then sees the newest version of the balance: each entry
# goes on where another one stopped, in the order of their moments.
def _spending(capabilities: Capabilities, moved: LiteralString) -> LiteralString:
    return f"""
WITH owner AS MATERIALIZED ({_OWNER}), moved AS ({moved}), entered AS ({_ENTERED}
    SELECT %(transaction_key)s, %(org_id)s, %(user_id)s, %(team_id)s, - %(cost)s::integer,
           'USAGE'::platform."CreditTransactionType", moved."balance", true, %(metadata)s::jsonb,
           moved."updatedAt"
      FROM moved
){organization_balance_recorded(capabilities)}
SELECT json_build_array(
           (SELECT owner."userId" FROM owner), (SELECT moved."balance" FROM moved)
       )
"""


_COVERED: LiteralString = f"""
    UPDATE platform."OrgBalance" AS stored
       SET "balance" = stored."balance" - %(cost)s::integer,
           "updatedAt" = {_MOMENT}
     WHERE stored."orgId" = %(org_id)s
       AND stored."balance" >= %(cost)s::integer
       AND NOT EXISTS (SELECT FROM owner)
    RETURNING stored."balance", stored."updatedAt"
"""
SPEND = ForSchema(
    lambda capabilities: Merged(
        single=_spending(capabilities, _COVERED),
        batch=f"""
WITH call AS MATERIALIZED (
    SELECT *
      FROM {BOUNDED_CALLS} AS call (
               place integer, org_id text, user_id text, team_id text, transaction_key text,
               cost integer, metadata jsonb
           )
     WHERE {FEW_CALLS}
), owner AS MATERIALIZED (
    SELECT call.place, found."userId"
      FROM call
     CROSS JOIN LATERAL ({_owner("call.org_id")}) AS found
), held AS MATERIALIZED (
    -- Locked in the order of the calls, which is that of their organizations; and only what
    -- suffices, as the single statement does.
    SELECT call.*
      FROM call
     CROSS JOIN LATERAL (
            SELECT
              FROM platform."OrgBalance" AS stored
             WHERE stored."orgId" = call.org_id
               AND stored."balance" >= call.cost
               AND NOT EXISTS (SELECT FROM owner WHERE owner.place = call.place)
               FOR NO KEY UPDATE
           ) AS stored
), moved AS (
    UPDATE platform."OrgBalance" AS stored
       SET "balance" = stored."balance" - held.cost,
           "updatedAt" = {_MOMENT}
      FROM held
     WHERE stored."orgId" = held.org_id AND stored."balance" >= held.cost
    RETURNING held.*, stored."balance", stored."updatedAt"
), entered AS ({_ENTERED}
    SELECT moved.transaction_key, moved.org_id, moved.user_id, moved.team_id, - moved.cost,
           'USAGE'::platform."CreditTransactionType", moved."balance", true,
           COALESCE(moved.metadata, 'null'), moved."updatedAt"
      FROM moved
){organization_balance_recorded(capabilities, "moved.org_id")}
SELECT call.place, json_build_array(owner."userId", moved."balance")
  FROM call
  LEFT JOIN owner ON owner.place = call.place
  LEFT JOIN moved ON moved.place = call.place
""",
        texts=("org_id", "user_id", "team_id", "transaction_key"),
        documents=("cost", "metadata"),
        # Each goes on from the balance that the one before it has left.
        key=("org_id",),
    )
)
SPEND_WHATEVER_IS_LEFT = ForSchema(lambda capabilities: _spending(capabilities, _WHATEVER_IS_LEFT))

_decode = msgspec.json.Decoder(tuple[str | None, int | None]).decode


class _Account(NamedTuple):
    """Where an organization's credits are.

    Attributes:
        owner: Whose account it is, where the organization is a user's own.
        balance: The organization's own, otherwise.
    """

    owner: str | None
    balance: int


@operation(reads=True, rest=Resource("/organizations/{org_id}/owner"))
async def get_personal_org_owner(database: Database, org_id: str) -> str | None:
    """Return whose own organization this is.

    Args:
        org_id: The organization, deleted or not.

    Returns:
        A user's id; null for an unknown organization, for one that is nobody's own, and for one
        without an owner.
    """
    row = await database.row(_OWNER, {"org_id": org_id})
    return None if row is None else str(row[0])


@operation(reads=False, repeat=harmless("A month's refill is entered once."))
async def get_org_credits(database: Database, org_id: str) -> int:
    """Return an organization's balance: of a user's own, what `get_credits` says of the user.

    Args:
        org_id: The organization; an unknown one has 0.

    Returns:
        Credits (US cents). Wherever `credits.enabled` is false, 100 for a user's own, and for
        others as `credits.organizations_enabled` says.
    """
    account = await _account_of(database, org_id)
    if account.owner is not None:
        return await get_credits(database, account.owner)
    return account.balance if _keeps_accounts(database) else CREDITS_WITHOUT_ACCOUNTS


@operation(reads=False, repeat=harmful("Spends again."))
async def spend_org_credits(
    database: Database,
    org_id: str,
    user_id: str,
    cost: int,
    metadata: UsageTransactionMetadata,
    team_id: str | None = None,
    fail_insufficient_credits: bool = True,
) -> int:
    """Take credits from an organization's balance, all or nothing, and enter it in its ledger.

    What is spent for a user's own organization is spent by that user, as by `spend_credits`.
    Concurrent calls queue up: the balance never falls below 0 unless it may.

    Args:
        org_id: Who pays.
        user_id: Who has spent it; stored with an organization's entry.
        cost: Credits (US cents). A negative cost adds credits; 0 changes nothing.
        metadata: What it was spent on; stored with the entry.
        team_id: The team it was spent for; stored with an organization's entry.
        fail_insufficient_credits: Whether a balance that doesn't suffice is an error; else it
            becomes negative.

    Returns:
        The new balance; of a user's own organization, what `spend_credits` returns. Wherever
        `credits.enabled` is false, others' are charged as `credits.organizations_enabled` says.

    Raises:
        InsufficientBalanceError: The balance doesn't suffice.
        RawQueryError: The balance would be beyond an integer; or there is no such organization, and
            credits are added or the balance may become negative.
    """
    owner: str | None
    balance: int | None
    if cost == 0 or not _keeps_accounts(database):
        owner, balance = await _account_of(database, org_id)
        if owner is None and cost != 0:
            return 0
    else:
        parameters = {
            "org_id": org_id,
            "user_id": user_id,
            "team_id": team_id or None,
            "cost": str(cost),
            "metadata": metadata,
            "transaction_key": str(uuid.uuid4()),
        }
        with raw_query():
            if cost > 0 and fail_insufficient_credits:
                document = await database.merged(SPEND(database.capabilities), parameters)
            else:
                statement = SPEND_WHATEVER_IS_LEFT(database.capabilities)
                document = await database.json(statement, parameters)
        assert document is not None
        owner, balance = _decode(document)
    if owner is not None:
        return await spend_credits(database, owner, cost, metadata, fail_insufficient_credits)
    if balance is None:
        account = await _account_of(database, org_id)
        raise InsufficientBalanceError(user_id, account.balance, cost, of_organization=True)
    return balance


async def _account_of(database: Database, org_id: str) -> _Account:
    row = await database.row(_BALANCE, {"org_id": org_id})
    assert row is not None
    return _Account(*row)


def _keeps_accounts(database: Database) -> bool:
    settings = database.settings.credits
    return settings.enabled or settings.organizations_enabled
