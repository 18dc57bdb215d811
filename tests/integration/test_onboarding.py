"""Onboarding: runs and days are counted, and each milestone is rewarded once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from ages import AS_OF_V0_6_48
from autogpt_db.errors import InvalidValueError
from autogpt_db.settings import CreditsSettings
from service import Service
from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def bank(seeded_database_url: str, seeded_template: str) -> Iterator[Service]:
    with Service(
        seeded_database_url, copy_of=seeded_template, credits=CreditsSettings(enabled=True)
    ) as service:
        yield service


def run(service: Service, user: str = "alice") -> None:
    assert service.call("increment_onboarding_runs", user_id=user) is None


def prepare(service: Service, user: str = "alice", **columns: Any) -> None:
    given = {"id": f"o-{user}", "userId": user} | columns
    service.rows(
        f"""INSERT INTO "UserOnboarding" ({", ".join(f'"{name}"' for name in given)})
            VALUES ({", ".join(f"%({name})s" for name in given)})""",
        **given,
    )


def ran(service: Service, ago: str, zone: str = "UTC", clock: str = "12:00") -> None:
    """Set the last run to a local time of day so many days ago."""
    service.rows('UPDATE "User" SET timezone = %(zone)s', zone=zone if zone != "UTC" else "not-set")
    service.rows(
        """UPDATE "UserOnboarding" SET "lastRunAt" =
               ((now() AT TIME ZONE %(zone)s)::date - %(ago)s::interval + %(clock)s::interval)
               AT TIME ZONE %(zone)s AT TIME ZONE 'UTC'""",
        zone=zone,
        ago=ago,
        clock=clock,
    )


def stored(service: Service, columns: str, user: str = "alice") -> tuple[Any, ...]:
    (row,) = service.rows(
        f'SELECT {columns} FROM "UserOnboarding" WHERE "userId" = %(user)s', user=user
    )
    return row


def steps(service: Service, user: str = "alice") -> tuple[Any, ...]:
    return stored(service, '"completedSteps"::text[], "rewardedFor"::text[]', user)


def entries(service: Service) -> list[tuple[Any, ...]]:
    return service.rows(
        """SELECT "transactionKey", amount, type::text, "runningBalance", metadata
             FROM "CreditTransaction" ORDER BY "runningBalance" """
    )


def test_the_first_run_makes_the_row(service: Service) -> None:
    run(service)
    assert service.statements == 3
    recent = """now() AT TIME ZONE 'UTC' - "lastRunAt" < interval '10 seconds'"""
    assert stored(service, f'"agentRuns", "consecutiveRunDays", {recent}') == (1, 1, True)
    run(service)
    assert service.statements == 1
    assert stored(service, '"agentRuns", "consecutiveRunDays"') == (2, 1)
    assert steps(service) == ([], [])
    assert stored(service, 'integrations, "walletShown", "updatedAt" IS NULL') == ([], False, False)


def test_nobodys_runs_are_not_counted(service: Service) -> None:
    with pytest.raises(InvalidValueError, match="nobody") as caught:
        run(service, "nobody")
    assert caught.value.wire_type == "ValueError"
    assert service.value('SELECT count(*) FROM "UserOnboarding"') == 0


@pytest.mark.parametrize(("ago", "days"), [("0 days", 5), ("1 day", 6), ("2 days", 1)])
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
@pytest.mark.parametrize("clock", ["00:00", "23:59"])  # at one of them UTC has another date
def test_days_in_a_row_are_the_users_own_days(
    service: Service, ago: str, days: int, zone: str, clock: str
) -> None:
    prepare(service, consecutiveRunDays=5, completedSteps=["RUN_3_DAYS"])
    ran(service, ago, zone, clock)
    run(service)
    assert stored(service, '"consecutiveRunDays"') == (days,)


def test_a_last_run_to_come_starts_anew(service: Service) -> None:
    prepare(service, consecutiveRunDays=5)
    ran(service, "-3 days")
    run(service)
    assert stored(service, '"consecutiveRunDays"') == (1,)


@AS_OF_V0_6_48
@pytest.mark.parametrize(
    ("columns", "step", "reward"),
    [
        ({"agentRuns": 9}, "RUN_AGENTS", 300),
        ({"agentRuns": 99, "completedSteps": ["RUN_AGENTS"]}, "RUN_AGENTS_100", 300),
        ({"consecutiveRunDays": 2}, "RUN_3_DAYS", 100),
        ({"consecutiveRunDays": 13, "completedSteps": ["RUN_3_DAYS"]}, "RUN_14_DAYS", 300),
    ],
)
def test_each_milestone_has_its_reward(
    bank: Service, columns: dict[str, Any], step: str, reward: int
) -> None:
    before = columns.get("completedSteps", [])
    prepare(bank, **columns)
    ran(bank, "1 day")
    run(bank)
    assert bank.statements == 1
    assert steps(bank) == ([*before, step], [step])
    reason = {"reason": f"Reward for completing {step} onboarding step."}
    assert entries(bank) == [(f"REWARD-alice-{step}", reward, "GRANT", reward, reason)]
    assert bank.value('SELECT balance FROM "UserBalance"') == reward
    run(bank)
    assert steps(bank) == ([*before, step], [step])
    assert len(entries(bank)) == 1


def test_one_run_short_of_a_milestone_is_none(bank: Service) -> None:
    prepare(bank, agentRuns=8, consecutiveRunDays=1)
    ran(bank, "1 day")
    run(bank)
    assert steps(bank) == ([], [])


@AS_OF_V0_6_48
def test_all_milestones_at_once_add_up(bank: Service) -> None:
    prepare(bank, agentRuns=150, consecutiveRunDays=20)
    ran(bank, "1 day")
    bank.rows("""INSERT INTO "UserBalance" VALUES ('alice', 7, '2026-01-01')""")
    run(bank)
    names = ["RUN_AGENTS", "RUN_AGENTS_100", "RUN_3_DAYS", "RUN_14_DAYS"]
    assert steps(bank) == (names, names)
    assert [row[1] for row in entries(bank)] == [300, 300, 100, 300]
    assert [row[3] for row in entries(bank)] == [307, 607, 707, 1007]
    assert bank.value('SELECT balance FROM "UserBalance"') == 1007


@AS_OF_V0_6_48
def test_what_was_rewarded_before_is_only_completed(bank: Service) -> None:
    prepare(bank, agentRuns=9, rewardedFor=["RUN_AGENTS"])
    run(bank)
    assert steps(bank) == (["RUN_AGENTS"], ["RUN_AGENTS"])
    assert entries(bank) == []


@AS_OF_V0_6_48
def test_an_entry_with_the_key_counts_as_rewarded(bank: Service) -> None:
    prepare(bank, agentRuns=9)
    bank.rows(
        """INSERT INTO "CreditTransaction" ("transactionKey", "userId", amount, type)
           VALUES ('REWARD-alice-RUN_AGENTS', 'alice', 1, 'GRANT')"""
    )
    run(bank)
    assert steps(bank) == (["RUN_AGENTS"], ["RUN_AGENTS"])
    assert bank.value('SELECT count(*) FROM "CreditTransaction"') == 1
    assert bank.value('SELECT count(*) FROM "UserBalance"') == 0


@AS_OF_V0_6_48
def test_without_accounts_a_milestone_counts_as_rewarded(service: Service) -> None:
    prepare(service, agentRuns=9)
    run(service)
    assert steps(service) == (["RUN_AGENTS"], ["RUN_AGENTS"])
    assert entries(service) == []


@AS_OF_V0_6_48
def test_runs_at_once_are_all_counted_and_rewarded_once(bank: Service) -> None:
    call = "increment_onboarding_runs", {"user_id": "alice"}
    assert bank.together([call] * 24) == [None] * 24
    assert stored(bank, '"agentRuns"') == (24,)
    assert steps(bank) == (["RUN_AGENTS"], ["RUN_AGENTS"])
    assert [row[1] for row in entries(bank)] == [300]
    assert bank.value('SELECT balance FROM "UserBalance"') == 300


@AS_OF_V0_6_48
def test_a_reward_that_another_service_is_granting_is_not_granted_twice(bank: Service) -> None:
    prepare(bank, agentRuns=9)
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with (
        psycopg.connect(bank.url) as other,
        ThreadPoolExecutor(1) as thread,
    ):
        other.execute(
            """INSERT INTO platform."CreditTransaction" ("transactionKey", "userId", amount, type)
               VALUES ('REWARD-alice-RUN_AGENTS', 'alice', 1, 'GRANT')"""
        )
        call = thread.submit(run, bank)
        wait_for(lambda: bank.value(waiting) == 1, what="the call's wait for the other's entry")
        other.commit()
        call.result(10)
    assert steps(bank) == (["RUN_AGENTS"], ["RUN_AGENTS"])
    assert stored(bank, '"agentRuns"') == (10,)
    assert bank.value('SELECT count(*) FROM "UserBalance"') == 0
