"""Organizations' credits: whose account they are, and a ledger that is the balance."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import structlog

from api_process import ApiProcess
from autogpt_db.errors import InsufficientBalanceError, InvalidValueError, RawQueryError
from autogpt_db.operations.credits import organizations
from autogpt_db.settings import CreditsSettings, EventsSettings
from worker_scenarios import Queries, figures, run, settings_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from service import Service

    Serve = Callable[..., Service]

KEYS = [
    "graph_exec_id", "graph_id", "node_id", "node_exec_id", "block_id", "block", "input", "reason",
]  # fmt: skip
BALANCES = 'SELECT "orgId", "balance" FROM "OrgBalance" ORDER BY "orgId"'
LEDGER = """
SELECT "orgId", "initiatedByUserId", "teamId", "amount", "type"::text, "runningBalance", "isActive",
       "metadata"
  FROM "OrgCreditTransaction"
 ORDER BY "createdAt", "runningBalance"
"""
USER_LEDGER = """
SELECT "userId", "amount", "runningBalance", "metadata" ->> 'graph_exec_id'
  FROM "CreditTransaction"
 WHERE "type" = 'USAGE'
"""
RECORDED = """
SELECT organization_id, user_id, balance
  FROM autogpt_db.live_event
 ORDER BY transaction_id, number
"""
BEFORE = [("org-1", 500), ("org-2", 0), ("org-a", 77)]


@pytest.fixture
def bank(service_in: Serve) -> Service:
    """Return the operations on the rows that v0.6.68's recorded calls start from.

    Acme is org-1, org-nb has no balance yet, org-a is alice's own, and org-no is nobody's.
    """
    return service_in("v0.6.68", seeded=True, credits=CreditsSettings(enabled=True), pool_size=16)


def spend(bank: Service, organization: str, cost: int, user: str = "alice", **more: Any) -> Any:
    arguments = {"org_id": organization, "user_id": user, "cost": cost, "metadata": {}, **more}
    return bank.call("spend_org_credits", **arguments)


def look(bank: Service, organization: str) -> Any:
    return bank.call("get_org_credits", org_id=organization)


def owner(bank: Service, organization: str) -> Any:
    return bank.call("get_personal_org_owner", org_id=organization)


# Whose ---------------------------------------------------------------------------------------


def test_a_users_own_organization_has_an_owner(bank: Service) -> None:
    assert [owner(bank, one) for one in ("org-a", "org-b", "org-1", "org-no", "nope", "")] == [
        "alice", "bob", None, None, None, None,
    ]  # fmt: skip
    bank.rows("""UPDATE "Organization" SET "deletedAt" = now() WHERE id = 'org-a'""")
    assert owner(bank, "org-a") == "alice", "deleted or not"
    bank.rows("""UPDATE "OrgMember" SET "isOwner" = true WHERE "orgId" = 'org-no'""")
    assert owner(bank, "org-no") == "gina", "at once"


def test_what_is_spent_for_a_users_own_is_the_users(bank: Service) -> None:
    before = bank.call("get_credits", user_id="alice")
    assert look(bank, "org-a") == before
    left = spend(bank, "org-a", 30, "bob", metadata={"graph_exec_id": "e"}, team_id="team-a")
    assert left == before - 30 == look(bank, "org-a") == bank.call("get_credits", user_id="alice")
    assert bank.rows(USER_LEDGER) == [("alice", -30, left, "e")]
    assert spend(bank, "org-a", 0) == 0
    with pytest.raises(InsufficientBalanceError) as refused:
        spend(bank, "org-a", 10_000, "bob")
    assert refused.value.args[1:] == ("alice", left, -10_000), "as spend_credits says it"
    assert spend(bank, "org-a", 10_000, fail_insufficient_credits=False) == left - 10_000
    assert (bank.rows(BALANCES), bank.rows(LEDGER)) == (BEFORE, [])


def test_a_low_balance_of_a_users_own_is_topped_up(bank: Service) -> None:
    before = bank.call("get_credits", user_id="alice")
    bank.rows(
        """UPDATE "User" SET "topUpConfig" = %(wish)s::jsonb WHERE id = 'alice'""",
        wish=f'{{"amount": 100, "threshold": {before}}}',
    )
    with structlog.testing.capture_logs() as logs:
        spend(bank, "org-a", 1, "bob", metadata={"graph_exec_id": "e"})
    (skipped,) = logs
    assert skipped["event"] == "auto_top_up_skipped", "there is no provider here"
    assert (skipped["user_id"], skipped["graph_exec_id"]) == ("alice", "e")


# Spending ------------------------------------------------------------------------------------


def test_spending_moves_the_balance_and_enters_it(bank: Service) -> None:
    assert spend(bank, "org-1", 100, metadata={"block": "B"}, team_id="team-1") == 400
    assert bank.statements == 1
    assert spend(bank, "org-1", -50, "somebody", team_id="") == 450
    nothing = dict.fromkeys(KEYS)
    assert bank.rows(LEDGER) == [
        ("org-1", "alice", "team-1", -100, "USAGE", 400, True, {**nothing, "block": "B"}),
        ("org-1", "somebody", None, 50, "USAGE", 450, True, nothing),
    ]
    assert look(bank, "org-1") == 450
    assert bank.rows(BALANCES) == [("org-1", 450), *BEFORE[1:]]
    assert bank.value(
        """SELECT "updatedAt" > (now() AT TIME ZONE 'UTC') - interval '1 hour'
             FROM "OrgBalance" WHERE "orgId" = 'org-1' """
    )


def test_what_is_not_covered_is_refused_with_all_four_arguments(bank: Service) -> None:
    for organization, balance, cost in (("org-1", 500, 501), ("org-nb", 0, 1), ("nope", 0, 5)):
        status, body = bank.answer(
            "spend_org_credits",
            {"org_id": organization, "user_id": "carol", "cost": cost, "metadata": {}},
        )
        assert status == 400
        assert body["type"] == "InsufficientBalanceError"
        assert body["args"] == [
            f"Organization has {balance} credits but needs {cost}", "carol", balance, cost,
        ]  # fmt: skip
    assert (bank.rows(BALANCES), bank.rows(LEDGER)) == (BEFORE, [])


def test_a_balance_may_be_made_and_fall_below_zero(bank: Service) -> None:
    assert spend(bank, "org-1", 600, fail_insufficient_credits=False) == -100
    assert spend(bank, "org-nb", 5, fail_insufficient_credits=False) == -5
    assert spend(bank, "org-nb", -15) == 10
    assert spend(bank, "org-no", -3) == 3, "nobody's own has a balance of its own"
    assert [look(bank, one) for one in ("org-1", "org-nb", "org-no", "nope")] == [-100, 10, 3, 0]
    assert len(bank.rows(LEDGER)) == 4


def test_a_cost_of_0_only_looks(bank: Service) -> None:
    assert [spend(bank, one, 0) for one in ("org-1", "org-nb", "nope")] == [500, 0, 0]
    assert (bank.rows(BALANCES), bank.rows(LEDGER)) == (BEFORE, [])


def test_what_the_database_refuses_changes_nothing(bank: Service) -> None:
    for organization, cost, must_suffice in (
        ("nope", -5, True),
        ("nope", 5, False),
        ("org-1", -(2**31 - 1), True),
        ("org-1", -(2**31), True),
    ):
        with pytest.raises(RawQueryError):
            spend(bank, organization, cost, fail_insufficient_credits=must_suffice)
    for cost, team in ((2**31, None), (-(2**31) - 1, None), (1, "a\x00")):
        with pytest.raises(InvalidValueError):
            spend(bank, "org-1", cost, team_id=team)
    assert (bank.rows(BALANCES), bank.rows(LEDGER)) == (BEFORE, [])


@pytest.mark.parametrize("charged", [True, False])
def test_without_accounts_others_are_charged_as_an_operator_says(
    service_in: Serve, charged: bool
) -> None:
    accounts = CreditsSettings(enabled=False, organizations_enabled=charged)
    bank = service_in("v0.6.68", seeded=True, credits=accounts)
    assert (look(bank, "org-a"), spend(bank, "org-a", 5), spend(bank, "org-a", 0)) == (100, 0, 0)
    assert bank.rows(USER_LEDGER) == []
    if charged:
        assert (look(bank, "org-1"), spend(bank, "org-1", 5)) == (500, 495)
        with pytest.raises(InsufficientBalanceError):
            spend(bank, "org-1", 5000)
    else:
        assert (look(bank, "org-1"), spend(bank, "org-1", 5)) == (100, 0)
        assert spend(bank, "org-1", 5000) == 0
        assert (bank.rows(BALANCES), bank.rows(LEDGER)) == (BEFORE, [])


def test_a_repeat_with_a_key_spends_once(bank: Service) -> None:
    with ApiProcess(bank.url, "credits.enabled=true", modules=()) as api:
        for organization in ("org-1", "org-a"):
            arguments: dict[str, Any] = {
                "org_id": organization, "user_id": "alice", "cost": 7, "metadata": {},
            }  # fmt: skip
            headers = {"idempotency-key": f"for-{organization}"}
            answers = [
                api.client.post("/spend_org_credits", json=arguments, headers=headers)
                for _ in range(3)
            ]
            assert {(each.status_code, each.content) for each in answers} == {
                (200, answers[0].content)
            }
    assert [row[3] for row in bank.rows(LEDGER)] == [-7]
    assert [row[1] for row in bank.rows(USER_LEDGER)] == [-7]


# The job -------------------------------------------------------------------------------------


def test_balances_of_organizations_are_audited_but_for_copies(
    bank: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autogpt_db.worker.jobs.audit_balances.BATCH", 2)
    bank.rows("""DELETE FROM "OrgBalance" WHERE "orgId" <> 'org-a'""")
    bank.rows("""DELETE FROM "UserBalance" """)
    bank.rows("""DELETE FROM "CreditTransaction" """)
    spend(bank, "org-1", -500)
    for _ in range(3):
        spend(bank, "org-1", 20)
    spend(bank, "org-nb", 5, fail_insufficient_credits=False)
    spend(bank, "org-no", -7)
    queries = Queries(bank.url)
    try:
        assert run(queries, settings_for(bank.url), "audit_balances")[0] == {
            "users": bank.value('SELECT count(*) FROM "User"'),
            "organizations": bank.value("""
                SELECT count(*) FROM "Organization"
                 WHERE NOT "isPersonal" OR id = 'org-no'"""),
            "differing": 0,
            "difference_cents": 0,
        }
        bank.rows("""UPDATE "OrgBalance" SET balance = balance + 3 WHERE "orgId" = 'org-1'""")
        bank.rows("""UPDATE "OrgBalance" SET balance = 9 WHERE "orgId" = 'org-no'""")
        bank.rows("""DELETE FROM "OrgCreditTransaction" WHERE "orgId" = 'org-nb'""")
        result, events = run(queries, settings_for(bank.url), "audit_balances")
        assert (result["differing"], result["difference_cents"]) == (3, 10)
        told = {each["organization_id"]: each["difference"] for each in events
                if each["event"] == "balance_differs"}  # fmt: skip
        assert told == {"org-1": 3, "org-nb": -5, "org-no": 2}, "org-a's is a copy"
        assert figures(queries, "balances_difference_cents") == [10]
    finally:
        queries.close()


# Live events -----------------------------------------------------------------------------------


def test_every_change_of_a_balance_is_recorded_for_who_owns_it(service_in: Serve) -> None:
    bank = service_in(
        "v0.6.68",
        seeded=True,
        credits=CreditsSettings(enabled=True),
        events=EventsSettings(enabled=True),
    )
    left = spend(bank, "org-1", 30)
    with pytest.raises(InsufficientBalanceError):
        spend(bank, "org-1", 10_000)
    own = spend(bank, "org-a", 1)
    found = bank.rows(RECORDED)
    assert found == [("org-1", None, left), (None, "alice", own)]
    bank.rows("""UPDATE "OrgBalance" SET "balance" = 500""")
    bank.together(
        ("spend_org_credits", {"org_id": name, "user_id": "x", "cost": cost, "metadata": {}})
        for name, cost in (("org-1", 1), ("org-2", 2), ("nope", 3))
    )
    assert sorted(bank.rows(RECORDED)[2:]) == [("org-1", None, 499), ("org-2", None, 498)]


# Together ------------------------------------------------------------------------------------


def test_a_batch_locks_the_balances_that_suffice_and_no_others(bank: Service) -> None:
    bank.rows("""UPDATE "OrgBalance" SET "balance" = 5 WHERE "orgId" = 'org-2'""")
    calls = [
        {
            "org_id": organization,
            "user_id": "alice",
            "team_id": None,
            "transaction_key": organization,
            "cost": "6",
            "metadata": "{}",
        }
        for organization in ("nope", "org-1", "org-2", "org-a", "org-nb")
    ]
    spend_all = organizations.SPEND(bank.capabilities)
    with psycopg.connect(bank.url) as connection:
        rows = connection.execute(spend_all.batch, {"calls": spend_all.encode(calls)})
        assert sorted(rows) == [
            (0, [None, None]), (1, [None, 494]), (2, [None, None]), (3, ["alice", None]),
            (4, [None, None]),
        ]  # fmt: skip
        free = bank.rows('SELECT "orgId" FROM "OrgBalance" ORDER BY 1 FOR UPDATE SKIP LOCKED')
        assert free == [("org-2",), ("org-a",)]
        connection.rollback()


def test_who_spends_for_several_organizations_at_once_is_answered_for_each(bank: Service) -> None:
    all_of_it = bank.call("get_credits", user_id="alice")
    costs = {"org-1": 200, "org-2": 1, "org-a": all_of_it, "nope": 1}
    replies = bank.together(
        ("spend_org_credits", {"org_id": name, "user_id": "alice", "cost": cost, "metadata": {}})
        for _ in range(3)
        for name, cost in costs.items()
    )
    # Which of three equal calls is the first is nobody's promise.
    answered = {
        name: Counter(
            reply if type(reply) is int else type(reply) for reply in replies[place :: len(costs)]
        )
        for place, name in enumerate(costs)
    }
    refused = InsufficientBalanceError
    assert answered == {
        "org-1": Counter([300, 100, refused]),
        "org-2": Counter([refused] * 3),
        "org-a": Counter([0, refused, refused]),
        "nope": Counter([refused] * 3),
    }
    assert bank.rows(BALANCES) == [("org-1", 100), *BEFORE[1:]]
