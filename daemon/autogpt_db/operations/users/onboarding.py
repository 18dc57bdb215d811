"""Onboarding: what a user's first weeks are counted and rewarded for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autogpt_db.database.capabilities import ForSchema
from autogpt_db.errors import UniqueViolationError, UserNotFoundError
from autogpt_db.live_events.recording import user_balance_recorded
from autogpt_db.operations import Database, events, operation
from autogpt_db.operations.credits.ledger import HISTORY, raw_query
from autogpt_db.signatures.repeats import harmful

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.settings import Settings

CREATE: LiteralString = """
INSERT INTO platform."UserOnboarding" ("id", "userId", "createdAt", "updatedAt")
SELECT gen_random_uuid()::text, "id", autogpt_db.now_v1(), autogpt_db.now_v1()
  FROM platform."User"
 WHERE "id" = %(user_id)s
    ON CONFLICT ("userId") DO UPDATE SET "updatedAt" = EXCLUDED."updatedAt"
"""

_STEP: LiteralString = '::platform."OnboardingStep"'

_MILESTONES: LiteralString = """
                  (1, 'RUN_AGENTS', counted.runs >= 10, 300),
                  (2, 'RUN_AGENTS_100', counted.runs >= 100, 300),
                  (3, 'RUN_3_DAYS', counted.days >= 3, 100),
                  (4, 'RUN_14_DAYS', counted.days >= 14, 300)"""
# Since the monthly allowance is gone.
_LATER_MILESTONES: LiteralString = """
                  (2, 'RUN_AGENTS_100', counted.runs >= 100, 100),
                  (3, 'RUN_3_DAYS', counted.days >= 3, 100),
                  (4, 'RUN_14_DAYS', counted.days >= 14, 100)"""


# The count, the milestones it reaches and their rewards stand or fall together. `held` waits for
# another count under way and goes on from what that has made.
def _counting(
    step: LiteralString, milestones: LiteralString, recorded: LiteralString
) -> LiteralString:
    return f"""
WITH held AS MATERIALIZED (
    SELECT onboarding."id",
           onboarding."agentRuns" + 1 AS runs,
           onboarding."consecutiveRunDays" AS days,
           onboarding."completedSteps" AS completed,
           onboarding."rewardedFor" AS rewarded,
           (onboarding."lastRunAt" AT TIME ZONE 'UTC' AT TIME ZONE zone.name)::date AS last_day,
           (now() AT TIME ZONE zone.name)::date AS today
      FROM platform."UserOnboarding" AS onboarding
      JOIN platform."User" ON "User"."id" = onboarding."userId"
     CROSS JOIN LATERAL (
           SELECT COALESCE(NULLIF("User"."timezone", 'not-set'), 'UTC') AS name
     ) AS zone
     WHERE onboarding."userId" = %(user_id)s
       FOR UPDATE OF onboarding
), counted AS (
    SELECT "id", runs, completed, rewarded,
           CASE
               WHEN last_day = today THEN days
               WHEN last_day = today - 1 THEN days + 1
               ELSE 1
           END AS days
      FROM held
), reached AS MATERIALIZED (
    SELECT milestone.place,
           milestone.step{step} AS step,
           milestone.reward,
           milestone.step{step} <> ALL (counted.rewarded) AS unrewarded
      FROM counted
     CROSS JOIN LATERAL (
           VALUES {milestones}
     ) AS milestone (place, step, is_reached, reward)
     WHERE milestone.is_reached
       AND milestone.step{step} <> ALL (counted.completed)
), granted AS MATERIALIZED (
    SELECT 'REWARD-' || %(user_id)s || '-' || reached.step AS key,
           reached.step,
           reached.reward,
           sum(reached.reward) OVER (ORDER BY reached.place)::integer AS so_far,
           sum(reached.reward) OVER ()::integer AS total
      FROM reached
     WHERE reached.unrewarded
       AND %(credits_enabled)s
       AND NOT EXISTS (
           SELECT
             FROM platform."CreditTransaction" AS entry
            WHERE entry."userId" = %(user_id)s
              AND entry."transactionKey" = 'REWARD-' || %(user_id)s || '-' || reached.step
       )
), {HISTORY}, moved AS (
    INSERT INTO platform."UserBalance" AS stored ("userId", "balance", "updatedAt")
    SELECT DISTINCT %(user_id)s, COALESCE(history.balance, 0) + granted.total,
           date_trunc('milliseconds', clock_timestamp() AT TIME ZONE 'UTC')
      FROM granted
      LEFT JOIN history ON true
     LIMIT 1
        ON CONFLICT ("userId") DO UPDATE
       SET "balance" = stored."balance" + (SELECT max(total) FROM granted),
           "updatedAt" = date_trunc('milliseconds', clock_timestamp() AT TIME ZONE 'UTC')
    RETURNING "balance", "updatedAt"
), entered AS (
    INSERT INTO platform."CreditTransaction"
           ("transactionKey", "userId", "amount", "type", "runningBalance", "metadata",
            "isActive", "createdAt")
    SELECT granted.key, %(user_id)s, granted.reward, 'GRANT',
           moved."balance" - granted.total + granted.so_far,
           jsonb_build_object(
               'reason', 'Reward for completing ' || granted.step || ' onboarding step.'
           ),
           true, moved."updatedAt"
      FROM granted, moved
), updated AS (
    UPDATE platform."UserOnboarding" AS onboarding
       SET "agentRuns" = counted.runs,
           "consecutiveRunDays" = counted.days,
           "lastRunAt" = autogpt_db.now_v1(),
           "updatedAt" = autogpt_db.now_v1(),
           "completedSteps" = counted.completed
               || ARRAY(SELECT step FROM reached ORDER BY place),
           "rewardedFor" = counted.rewarded
               || ARRAY(SELECT step FROM reached WHERE unrewarded ORDER BY place)
      FROM counted
     WHERE onboarding."id" = counted."id"
){recorded}
SELECT ARRAY(SELECT step::text FROM reached ORDER BY place),
       EXISTS (SELECT FROM granted)
  FROM counted
"""


# Steps were a type of their own once.
COUNT = ForSchema(
    lambda has: _counting(
        "" if has.onboarding_text else _STEP,
        _LATER_MILESTONES if has.no_refill else _MILESTONES,
        user_balance_recorded(has),
    )
)


@operation(reads=False, repeat=harmful("Counts another run; a milestone is rewarded once."))
async def increment_onboarding_runs(database: Database, user_id: str) -> None:
    """Count a run of a user's agents, and reward the milestones that it reaches.

    A milestone is rewarded once. From AutoGPT v0.6.59's schema on there are 100 runs, and 3 and 14
    days in a row, each worth 100 credits; before, 10 runs too, and 300 but for the 3 days.

    Args:
        user_id: Whose run.

    Raises:
        UserNotFoundError: There is no such user.
    """
    found = await _count(database, user_id)
    if found is None:
        if not await database.execute(CREATE, {"user_id": user_id}):
            raise UserNotFoundError(user_id)
        found = await _count(database, user_id)
    assert found is not None
    _tell(database.settings, user_id, *found)


def _tell(settings: Settings, user_id: str, steps: list[str], granted: bool) -> None:
    reached: list[str | None] = [*steps]
    for step in reached or [None]:
        event = "step_completed" if step else "increment_runs"
        events.notify(settings, user_id, {"type": "onboarding", "event": event, "step": step})
    if granted:
        events.forget_lack_of_credits(settings, user_id)


async def _count(database: Database, user_id: str) -> tuple[Any, ...] | None:
    parameters = {
        "user_id": user_id,
        "credits_enabled": database.settings.credits.enabled,
    }
    with raw_query():
        try:
            return await database.row(COUNT(database.capabilities), parameters)
        except UniqueViolationError:
            # Another service has just granted the same reward: now its entry is seen.
            return await database.row(COUNT(database.capabilities), parameters)
