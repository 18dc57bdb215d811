"""Whether every balance is what its ledger says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, LiteralString

from autogpt_db.database.capabilities import ForSchema
from autogpt_db.logs.events import worker as log
from autogpt_db.worker.figures import Figure, report
from autogpt_db.worker.registry import job

if TYPE_CHECKING:
    from autogpt_db.worker.handle import JobDatabase

BATCH = 2000
MOST_EVENTS = 100
"""Accounts that get an event of their own."""

COUNT: LiteralString = """
SELECT GREATEST(reltuples, 0)::bigint FROM pg_catalog.pg_class
 WHERE oid = 'platform."User"'::regclass
"""

LAST: LiteralString = """
SELECT max(page."id"), count(*)
  FROM (
       SELECT "id" FROM platform."User" WHERE "id" > %(after)s ORDER BY "id" LIMIT %(batch)s
  ) AS page
"""

# A user's own is not among those that are compared: its row of "OrgBalance" is a copy that nobody
# keeps up. A personal one without an owner is nobody's own: it has a balance as any other.
_NOBODYS_OWN: LiteralString = """NOT (
            organization."isPersonal"
            AND EXISTS (
                SELECT
                  FROM platform."OrgMember" AS membership
                 WHERE membership."orgId" = organization."id" AND membership."isOwner"
            )
        )"""
_LAST_ORGANIZATION: LiteralString = f"""
SELECT max(organization."id"), count(*) FILTER (WHERE {_NOBODYS_OWN})
  FROM (
       SELECT "id", "isPersonal"
         FROM platform."Organization"
        WHERE "id" > %(after)s
        ORDER BY "id"
        LIMIT %(batch)s
  ) AS organization
"""


# One snapshot for a balance and its ledger, so a purchase just now is in both or in neither.
# Of entries with the same newest moment any may be the last one.
def _audit(
    holders: LiteralString, balances: LiteralString, entries: LiteralString, key: LiteralString
) -> LiteralString:
    return f"""
SELECT holder."id", stored."balance", ledger.total, newest.balances
  FROM ({holders}) AS holder
  LEFT JOIN platform."{balances}" AS stored ON stored."{key}" = holder."id"
 CROSS JOIN LATERAL (
       SELECT COALESCE(sum("amount"), 0)::bigint AS total, count(*) AS entries
         FROM platform."{entries}"
        WHERE "{key}" = holder."id" AND "isActive"
  ) AS ledger
  LEFT JOIN LATERAL (
       SELECT array_agg("runningBalance") AS balances
         FROM platform."{entries}"
        WHERE "{key}" = holder."id" AND "isActive" AND "runningBalance" IS NOT NULL
          AND "createdAt" = (
              SELECT max("createdAt")
                FROM platform."{entries}"
               WHERE "{key}" = holder."id" AND "isActive" AND "runningBalance" IS NOT NULL
          )
  ) AS newest ON true
 WHERE (stored."balance" IS NOT NULL OR ledger.entries > 0)
   AND (
       COALESCE(stored."balance", newest.balances[1], 0) <> ledger.total
       OR stored."balance" <> ALL (newest.balances)
   )
 ORDER BY holder."id"
"""


AUDIT: LiteralString = _audit(
    """
       SELECT "id" FROM platform."User" WHERE "id" > %(after)s AND "id" <= %(last)s
  """,
    "UserBalance",
    "CreditTransaction",
    "userId",
)

_AUDIT_ORGANIZATIONS: LiteralString = _audit(
    f"""
       SELECT organization."id"
         FROM platform."Organization" AS organization
        WHERE organization."id" > %(after)s AND organization."id" <= %(last)s
          AND {_NOBODYS_OWN}
  """,
    "OrgBalance",
    "OrgCreditTransaction",
    "orgId",
)

LAST_ORGANIZATION = ForSchema(
    lambda capabilities: _LAST_ORGANIZATION if capabilities.orgs else None
)
AUDIT_ORGANIZATIONS = ForSchema(
    lambda capabilities: _AUDIT_ORGANIZATIONS if capabilities.orgs else None
)


@dataclass
class _Found:
    """What has been compared so far.

    Attributes:
        checked: Accounts of one kind.
        differing: Accounts whose balance isn't what the ledger says, of all kinds.
        cents: Sum of the differences.
    """

    checked: int = 0
    differing: int = 0
    cents: int = 0


@job(
    schedule="11 4 * * *",
    when="balances are compared with the ledger",
    option="audit_schedule",
    time_limit=3600.0,
    attempts=3,
)
async def audit_balances(database: JobDatabase) -> dict[str, Any]:
    """Compare every balance with its ledger, and report each difference to the cent.

    A balance must be the sum of its user's or organization's active entries, and what the newest of
    them says it came to. A user's own organization has no balance but the user's. Nothing is
    changed.
    """
    row = await database.row(COUNT)
    found = _Found()
    await _compare(database, found, LAST, AUDIT, "user_id", expected=row[0] if row else 0)
    users, found.checked = found.checked, 0
    last = LAST_ORGANIZATION(database.capabilities)
    audit = AUDIT_ORGANIZATIONS(database.capabilities)
    if last is not None and audit is not None:
        await _compare(database, found, last, audit, "organization_id", expected=0)
    await report(
        database,
        [
            Figure("balances_checked", users + found.checked),
            Figure("balances_differing", found.differing),
            Figure("balances_difference_cents", found.cents),
        ],
    )
    return {
        "users": users,
        "organizations": found.checked,
        "differing": found.differing,
        "difference_cents": found.cents,
    }


async def _compare(
    database: JobDatabase,
    found: _Found,
    last_of_page: LiteralString,
    audit: LiteralString,
    holder: str,
    *,
    expected: int,
) -> None:
    """Compare all accounts of a kind, page by page, and tell of those that differ."""
    after = ""
    while True:
        page = await database.row(last_of_page, {"after": after, "batch": BATCH})
        assert page is not None
        last, holders = page
        if last is None:
            return
        for holder_id, balance, total, newest in await database.rows(
            audit, {"after": after, "last": last}
        ):
            shown = balance if balance is not None else (newest or [0])[0]
            found.differing += 1
            found.cents += abs(shown - total)
            if found.differing <= MOST_EVENTS:
                log.balance_differs(
                    **{holder: holder_id},
                    balance=balance,
                    ledger=total,
                    newest=newest,
                    difference=shown - total,
                )
        found.checked += holders
        await database.progress(found.checked, max(expected, found.checked))
        after = last
