"""Whether every balance is what its ledger says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, LiteralString

from autogpt_db.logs.events import worker as log
from autogpt_db.worker.figures import Figure, report
from autogpt_db.worker.registry import job

if TYPE_CHECKING:
    from autogpt_db.worker.handle import JobDatabase

BATCH = 2000
MOST_EVENTS = 100
"""Users that get an event of their own."""

COUNT: LiteralString = """
SELECT GREATEST(reltuples, 0)::bigint FROM pg_catalog.pg_class
 WHERE oid = 'platform."User"'::regclass
"""

# One snapshot for a user's balance and ledger, so a purchase just now is in both or in neither.
# Of entries with the same newest moment any may be the last one.
AUDIT: LiteralString = """
SELECT person."id", stored."balance", ledger.total, newest.balances
  FROM (
       SELECT "id" FROM platform."User" WHERE "id" > %(after)s AND "id" <= %(last)s
  ) AS person
  LEFT JOIN platform."UserBalance" AS stored ON stored."userId" = person."id"
 CROSS JOIN LATERAL (
       SELECT COALESCE(sum("amount"), 0)::bigint AS total, count(*) AS entries
         FROM platform."CreditTransaction"
        WHERE "userId" = person."id" AND "isActive"
  ) AS ledger
  LEFT JOIN LATERAL (
       SELECT array_agg("runningBalance") AS balances
         FROM platform."CreditTransaction"
        WHERE "userId" = person."id" AND "isActive" AND "runningBalance" IS NOT NULL
          AND "createdAt" = (
              SELECT max("createdAt")
                FROM platform."CreditTransaction"
               WHERE "userId" = person."id" AND "isActive" AND "runningBalance" IS NOT NULL
          )
  ) AS newest ON true
 WHERE (stored."balance" IS NOT NULL OR ledger.entries > 0)
   AND (
       COALESCE(stored."balance", newest.balances[1], 0) <> ledger.total
       OR stored."balance" <> ALL (newest.balances)
   )
 ORDER BY person."id"
"""

LAST: LiteralString = """
SELECT max(page."id"), count(*)
  FROM (
       SELECT "id" FROM platform."User" WHERE "id" > %(after)s ORDER BY "id" LIMIT %(batch)s
  ) AS page
"""


@job(
    schedule="11 4 * * *",
    when="balances are compared with the ledger",
    option="audit_schedule",
    time_limit=3600.0,
    attempts=3,
)
async def audit_balances(database: JobDatabase) -> dict[str, Any]:
    """Compare every balance with its ledger, and report each difference to the cent.

    A balance must be the sum of its user's active entries, and what the newest of them says it
    came to. Nothing is changed.
    """
    row = await database.row(COUNT)
    expected = row[0] if row else 0
    after, checked, differing, cents = "", 0, 0, 0
    while True:
        page = await database.row(LAST, {"after": after, "batch": BATCH})
        assert page is not None
        last, users = page
        if last is None:
            break
        found = await database.rows(AUDIT, {"after": after, "last": last})
        for user_id, balance, total, newest in found:
            shown = balance if balance is not None else (newest or [0])[0]
            differing += 1
            cents += abs(shown - total)
            if differing <= MOST_EVENTS:
                log.balance_differs(
                    user_id=user_id,
                    balance=balance,
                    ledger=total,
                    newest=newest,
                    difference=shown - total,
                )
        checked += users
        await database.progress(checked, max(expected, checked))
        after = last
    await report(
        database,
        [
            Figure("balances_checked", checked),
            Figure("balances_differing", differing),
            Figure("balances_difference_cents", cents),
        ],
    )
    return {"users": checked, "differing": differing, "difference_cents": cents}
