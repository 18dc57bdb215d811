"""Users, their credits and credentials, reviews and notifications, on AutoGPT's releases."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from cryptography.fernet import Fernet

from autogpt_db.database.capabilities import Capabilities
from autogpt_db.database.schema import read_catalogue
from autogpt_db.errors import ForeignKeyViolationError, InsufficientBalanceError, RawQueryError
from autogpt_db.settings import CreditsSettings, IntegrationsSettings, Secret
from autogpt_db.worker.registry import discover
from service import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from service import Service

    Serve = Callable[..., Service]

KEY = Fernet.generate_key().decode()
ANN = {"user_id": "ann"}
USER = """INSERT INTO "User" (id, email, "updatedAt") VALUES ('ann', 'ann@example.com', now())"""
GRAPHS = """
INSERT INTO "AgentGraph" (id, version, name, "userId", "updatedAt")
VALUES ('g1', 1, 'Same', 'ann', now()), ('g2', 1, 'Same', 'ann', now()),
       ('g3', 1, 'Other', 'ann', now())
"""


def with_ann(service: Service) -> Service:
    service.rows(USER)
    return service


# Users ---------------------------------------------------------------------------------------


def test_a_user_has_the_members_of_its_release(service_in: Serve) -> None:
    found = {}
    for state in ("v0.6.48", "v0.6.53", "v0.6.54", "v0.6.59", "v0.7.2", "v0.7.3"):
        found[state] = with_ann(service_in(state)).call("get_user_by_id", **ANN)
    assert "subscription_tier" not in found["v0.6.53"]
    assert set(found["v0.6.53"]) == set(found["v0.6.48"])
    assert set(found["v0.6.54"]) - set(found["v0.6.53"]) == {"subscription_tier"}
    assert set(found["v0.7.2"]) == set(found["v0.6.54"])
    tiers = {state: user.get("subscription_tier") for state, user in found.items()}
    assert (tiers["v0.6.54"], tiers["v0.6.59"]) == ("PRO", "NO_TIER")
    assert {name for name in found["v0.7.3"] if name.startswith("notify")} == set()
    assert len(found["v0.7.2"]) - len(found["v0.7.3"]) == 8


CREDENTIALS = {"id": "1", "provider": "p", "type": "oauth2", "access_token": "a", "scopes": []}
NEWER = {"is_managed": True, "metadata": {"a": None}, "brand_new": {"deep": [1, None]}}
STATE = {"token": "t", "provider": "p", "expires_at": 1, "scopes": []}


@pytest.mark.parametrize("state", ["v0.6.48", "v0.6.68", "v0.7.2"])
def test_members_of_credentials_that_nobody_knows_are_kept(service_in: Serve, state: str) -> None:
    service = with_ann(
        service_in(state, integrations=IntegrationsSettings(encryption_key=Secret(KEY)))
    )
    sent: dict[str, Any] = {
        "managed_credentials": {"ayrshare_profile_key": "k", "other_key": "o"},
        "credentials": [CREDENTIALS | NEWER, {**CREDENTIALS, "refresh_strategy": "x"}],
        "oauth_states": [STATE | {"credential_id": "c", "brand_new": 2}],
        "brand_new": [3],
    }
    service.call("update_user_integrations", user_id="ann", data=sent)
    stored = json.loads(
        Fernet(KEY).decrypt(service.value('SELECT integrations FROM "User"').encode())
    )
    assert stored["brand_new"] == [3]
    assert stored["managed_credentials"] == sent["managed_credentials"]
    assert stored["credentials"][0].items() >= (CREDENTIALS | NEWER).items()
    assert stored["oauth_states"][0].items() >= sent["oauth_states"][0].items()
    body = service.run(service.started("get_user_integrations", json.dumps(ANN).encode()))
    shown = json.loads(body)
    assert shown["credentials"][0].items() >= (CREDENTIALS | NEWER).items()
    assert shown["credentials"][1]["refresh_strategy"] == "x"
    service.call("update_user_integrations", user_id="ann", data=shown)
    again = service.run(service.started("get_user_integrations", json.dumps(ANN).encode()))
    assert json.loads(again) == shown


def test_credentials_show_the_members_of_the_databases_release(service_in: Serve) -> None:
    stored = {
        "credentials": [
            CREDENTIALS,
            {"id": "2", "provider": "p", "type": "api_key", "api_key": "k"},
        ],
        "oauth_states": [STATE],
    }
    token = Fernet(KEY).encrypt(json.dumps(stored).encode()).decode()
    added: dict[str, list[set[str]]] = {}
    base: list[set[str]] = []
    for state in ("v0.6.53", "v0.6.54", "v0.6.58", "v0.7.1"):
        service = with_ann(
            service_in(state, integrations=IntegrationsSettings(encryption_key=Secret(KEY)))
        )
        service.rows('UPDATE "User" SET integrations = %(token)s', token=token)
        found = service.call("get_user_integrations", **ANN)
        oauth, api_key = found["credentials"]
        members = [set(oauth), set(api_key), set(found["oauth_states"][0])]
        base = base or members
        added[state] = [now - then for now, then in zip(members, base, strict=True)]
    managed = {"is_managed"}
    assert added["v0.6.53"] == [set(), set(), set()]
    assert added["v0.6.54"] == [managed, managed | {"metadata"}, set()]
    assert added["v0.6.58"] == [managed, managed | {"metadata"}, {"credential_id"}]
    refreshing = {"refresh_strategy", "provider_state", "provider_state_version"}
    assert added["v0.7.1"][0] == managed | refreshing


# Credits -------------------------------------------------------------------------------------


def bank(service_in: Serve, state: str, **options: Any) -> Service:
    return with_ann(service_in(state, credits=CreditsSettings(enabled=True, **options)))


def spend(service: Service, cost: int, user: str = "ann", **more: Any) -> Any:
    return service.call("spend_credits", user_id=user, cost=cost, metadata={}, **more)


@pytest.mark.parametrize("state", ["v0.6.48", "v0.6.59", "v0.6.68"])
def test_a_balance_falls_below_zero_where_it_may(service_in: Serve, state: str) -> None:
    service = bank(service_in, state, monthly_refill="off")
    whatever: dict[str, Any] = {"fail_insufficient_credits": False}
    assert spend(service, 7, **whatever) == -7
    assert spend(service, 3, **whatever) == -10
    assert spend(service, 0, **whatever) == 0
    with pytest.raises(InsufficientBalanceError):
        spend(service, 1, fail_insufficient_credits=True)
    with pytest.raises(InsufficientBalanceError):
        spend(service, 1)
    assert spend(service, -25, **whatever) == 15
    assert spend(service, 5) == 10
    with pytest.raises(RawQueryError):
        spend(service, 1, user="nobody", **whatever)
    entries = service.rows('SELECT amount, "runningBalance", type::text FROM "CreditTransaction"')
    assert sorted(entries) == [
        (-7, -7, "USAGE"),
        (-5, 10, "USAGE"),
        (-3, -10, "USAGE"),
        (25, 15, "USAGE"),
    ]
    spend(service, 2**31 - 1, **whatever)
    with pytest.raises(RawQueryError):
        spend(service, 2**31 - 1, **whatever)


def test_of_many_that_may_each_is_entered(service_in: Serve) -> None:
    service = bank(service_in, "v0.6.68")
    call = {**ANN, "cost": 5, "metadata": {}, "fail_insufficient_credits": False}
    answers = service.together([("spend_credits", call)] * 40)
    assert sorted(answers) == [-5 * n for n in range(40, 0, -1)]
    assert service.value('SELECT sum(amount) FROM "CreditTransaction"') == -200
    assert service.value('SELECT balance FROM "UserBalance"') == -200


@pytest.mark.parametrize(
    ("state", "setting", "refilled"),
    [
        ("v0.6.48", "auto", True),
        ("v0.6.58", "auto", True),
        ("v0.6.59", "auto", False),
        ("v0.6.68", "auto", False),
        ("v0.7.2", "auto", False),
        ("v0.6.68", "on", True),
        ("v0.6.48", "off", False),
    ],
)
def test_the_allowance_ends_with_the_release_that_ended_it(
    service_in: Serve, state: str, setting: Any, refilled: bool
) -> None:
    service = bank(service_in, state, monthly_refill=setting)
    assert service.call("get_credits", **ANN) == (1500 if refilled else 0)
    assert service.value('SELECT count(*) FROM "CreditTransaction"') == int(refilled)
    if not refilled:
        assert service.call("get_credits", user_id="nobody") == 0


def test_tables_of_ours_that_were_brought_forward_keep_it(service_in: Serve) -> None:
    service = bank(service_in, "v0.6.68")
    record = """INSERT INTO autogpt_db.migration (number, name, checksum, program_version,
                                                  applied_at)
                VALUES (%(number)s, %(name)s, '', '', now() - %(age)s::interval)"""
    bookkeeping = """
        CREATE TABLE IF NOT EXISTS autogpt_db.migration (
            number integer, name text, checksum text, program_version text, applied_at timestamptz)
        """
    service.rows(bookkeeping)
    service.rows("DELETE FROM autogpt_db.migration WHERE name LIKE 'platform%'")
    service.rows(record, number=1, name="0001_platform", age="1 day")
    assert service.call("get_credits", **ANN) == 0
    service.rows(record, number=8, name="platform_0008_new_tables", age="1 day")
    # The same moment would be now() of one transaction: made at once, and nobody had any.
    service.rows("""UPDATE autogpt_db.migration SET applied_at = (
                        SELECT applied_at FROM autogpt_db.migration WHERE name = '0001_platform')
                     WHERE name LIKE 'platform%'""")
    assert service.call("get_credits", **ANN) == 0
    service.rows("""UPDATE autogpt_db.migration SET applied_at = now()
                     WHERE name LIKE 'platform%'""")
    assert service.call("get_credits", **ANN) == 1500


# Onboarding and summaries --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "rewards"),
    [
        (
            "v0.6.58",
            {"RUN_AGENTS": 300, "RUN_AGENTS_100": 300, "RUN_3_DAYS": 100, "RUN_14_DAYS": 300},
        ),
        ("v0.6.59", {"RUN_AGENTS_100": 100, "RUN_3_DAYS": 100, "RUN_14_DAYS": 100}),
        ("v0.7.1", {"RUN_AGENTS_100": 100, "RUN_3_DAYS": 100, "RUN_14_DAYS": 100}),
    ],
)
def test_milestones_are_those_of_the_release(
    service_in: Serve, state: str, rewards: dict[str, int]
) -> None:
    service = bank(service_in, state)
    service.rows("""INSERT INTO "UserOnboarding" (id, "userId", "agentRuns", "consecutiveRunDays",
                                                  "lastRunAt", "updatedAt")
                    VALUES ('o', 'ann', 99, 13, now() AT TIME ZONE 'UTC' - interval '1 day',
                            now())""")
    for _ in range(2):
        assert service.call("increment_onboarding_runs", **ANN) is None
    granted = service.rows("""SELECT "transactionKey", amount FROM "CreditTransaction" """)
    assert dict(granted) == {f"REWARD-ann-{step}": amount for step, amount in rewards.items()}
    ((completed, rewarded, runs),) = service.rows(
        """SELECT "completedSteps"::text[], "rewardedFor"::text[], "agentRuns"
             FROM "UserOnboarding" """
    )
    assert (set(completed), set(rewarded), runs) == (set(rewards), set(rewards), 101)
    assert service.value('SELECT balance FROM "UserBalance"') == sum(rewards.values())


def test_a_summary_adds_up_what_can_be_added(service_in: Serve) -> None:
    rows = [
        ("g1", "COMPLETED", {"cost": 10, "walltime": 2}),
        ("g1", "FAILED", {"cost": "x", "walltime": [], "node_count": 1}),
        ("g1", "RUNNING", {"cost": True, "walltime": "4"}),
        ("g2", "TERMINATED", {"cost": "5", "walltime": None}),
        ("g3", "COMPLETED", None),
        ("g3", "COMPLETED", []),
        ("g3", "QUEUED", {"walltime": 6.5, "cost": 7, "error": 3}),
        ("gone", "COMPLETED", {"cost": 1}),
    ]
    answers = {}
    for state in ("v0.6.59", "v0.6.68"):
        service = with_ann(service_in(state))
        service.rows(GRAPHS)
        service.rows("SET session_replication_role = replica")
        for n, (graph, status, stats) in enumerate(rows):
            service.rows(
                """INSERT INTO "AgentGraphExecution" (id, "agentGraphId", "agentGraphVersion",
                       "userId", "createdAt", "executionStatus", stats)
                   VALUES (%(id)s::text, %(graph)s, 1, 'ann',
                           timestamp '2026-02-01' + %(id)s::text::interval,
                           %(status)s::text::"AgentExecutionStatus", %(stats)s::jsonb)""",
                id=f"{n} hours",
                graph=graph,
                status=status,
                stats=json.dumps(stats),
            )
        span = {"start_time": "2026-02-01T00:00:00Z", "end_time": "2026-02-02T00:00:00Z"}
        answers[state] = service.call("get_user_execution_summary_data", **ANN, **span)
        later = {"start_time": "2026-03-01T00:00:00Z", "end_time": "2026-03-02T00:00:00Z"}
        nothing = service.call("get_user_execution_summary_data", **ANN, **later)
        assert nothing["most_used_agent"] == "No agents used"
        assert (nothing["total_credits_used"], nothing["cost_breakdown"]) == (0, {})
    assert answers["v0.6.68"] == {
        "total_credits_used": 0.23,
        "total_executions": 8,
        "successful_runs": 4,
        "failed_runs": 2,
        "most_used_agent": "Other",
        "total_execution_time": 12.5,
        "average_execution_time": pytest.approx(12.5 / 3),
        "cost_breakdown": {"Same": 0.15, "Other": 0.07, "Agent gone": 0.01},
    }
    assert answers["v0.6.59"]["cost_breakdown"]["Same"] != 0.15
    assert answers["v0.6.59"]["total_credits_used"] == pytest.approx(0.12)


# Reviews -------------------------------------------------------------------------------------

REVIEW = {
    **ANN,
    "node_exec_id": "copilot-node-n:12345678",
    "graph_exec_id": "copilot-session-s",
    "graph_id": "g",
    "graph_version": 1,
    "input_data": {"a": 1},
    "message": "?",
    "editable": True,
}


def test_a_review_needs_an_execution_only_in_old_databases(service_in: Serve) -> None:
    old = with_ann(service_in("v0.6.50"))
    with pytest.raises(ForeignKeyViolationError, match="PendingHumanReview_graphExecId_fkey"):
        old.call("get_or_create_human_review", **REVIEW)
    for state in ("v0.6.51", "v0.6.68", "v0.7.2"):
        service = with_ann(service_in(state))
        assert service.call("get_or_create_human_review", **REVIEW) is None
        waits = {"graph_exec_id": REVIEW["graph_exec_id"]}
        assert service.call("has_pending_reviews_for_graph_exec", **waits) is True
        status, answer = service.answer("cancel_pending_reviews_for_execution", ANN | waits)
        assert (status, answer["type"]) == (400, "ValueError")
        with pytest.raises(ForeignKeyViolationError, match="userId"):
            service.call("get_or_create_human_review",
                         **(REVIEW | {"user_id": "?", "node_exec_id": "x"}))  # fmt: skip


def test_a_review_is_asked_for_in_an_organization(service_in: Serve) -> None:
    service = with_ann(service_in("v0.6.68"))
    place = {"organization_id": "anything", "team_id": "whatever"}
    service.call("get_or_create_human_review", **REVIEW, **place)
    service.call("get_or_create_human_review", **(REVIEW | {"node_exec_id": "x"}),
                 organization_id="", team_id=None)  # fmt: skip
    found = service.rows(
        """SELECT "organizationId", "teamId" FROM "PendingHumanReview" ORDER BY "organizationId" """
    )
    assert found == [("anything", "whatever"), (None, None)]
    old = with_ann(service_in("v0.6.59"))
    for name in place:
        status, answer = old.answer("get_or_create_human_review", REVIEW | {name: "x"})
        assert (status, answer["detail"][0]["loc"]) == (422, ["body", name])


# Notifications -------------------------------------------------------------------------------

BATCH = {**ANN, "notification_type": "AGENT_RUN"}
EVENT = {"user_id": "ann", "type": "AGENT_RUN", "data": {"agent_name": "x"}}


@pytest.mark.parametrize("state", ["v0.6.57", "v0.6.58", "v0.6.68", "v0.7.1"])
def test_a_batch_comes_with_its_events_where_the_release_reads_them(
    service_in: Serve, state: str
) -> None:
    service = with_ann(service_in(state))
    for _ in range(2):
        added = service.call(
            "create_or_add_to_user_notification_batch", **BATCH, notification_data=EVENT
        )
    shown = 2 if state == "v0.6.57" else 0
    assert len(added["notifications"]) == shown
    (listed,) = service.call("get_all_batches_by_type", notification_type="AGENT_RUN")
    assert len(listed["notifications"]) == shown
    whole = service.call("get_user_notification_batch", **BATCH)
    assert len(whole["notifications"]) == 2
    assert {**whole, "notifications": []} == {**listed, "notifications": []}
    oldest = service.call("get_user_notification_oldest_message_in_batch", **BATCH)
    assert oldest["data"] == EVENT["data"]
    service.rows('DELETE FROM "NotificationEvent"')
    assert service.call("get_all_batches_by_type", notification_type="AGENT_RUN") == []


def test_a_new_batch_has_its_users_organization(service_in: Serve) -> None:
    add = "create_or_add_to_user_notification_batch"
    place = """SELECT "organizationId", "teamId" FROM "UserNotificationBatch" ORDER BY "type" """
    older = with_ann(service_in("v0.6.68"))
    older.call(add, **BATCH, notification_data=EVENT)
    assert older.rows(place) == [(None, None)]
    service = service_in("v0.7.2", seeded=True)
    alice = {"user_id": "alice", "notification_data": EVENT}
    service.rows('DELETE FROM "UserNotificationBatch"')
    service.call(add, **alice, notification_type="AGENT_RUN")
    assert service.rows(place) == [("org-a", "team-a")]
    service.call(add, **alice, notification_type="AGENT_RUN", organization_id="other")
    assert service.rows(place) == [("org-a", "team-a")]
    service.call(add, **alice, notification_type="LOW_BALANCE", team_id="t")
    assert service.rows(place)[1:] == [(None, "t")]


def test_batches_are_of_no_use_where_their_types_are_gone(
    release_database: Callable[..., str],
) -> None:
    served = {}
    for state in ("v0.7.2", "v0.7.3"):
        with psycopg.connect(release_database(state)) as connection:
            catalogue = read_catalogue(connection, "platform")
        capabilities = Capabilities.of(catalogue)
        served[state] = {
            name
            for name, operation in OPERATIONS.items()
            if "batch" in name
            and "notif" in name
            and not operation.needs(capabilities).lacks(catalogue)
        }
        assert not OPERATIONS["get_user_by_id"].needs(capabilities).lacks(catalogue)
        aging = discover()["age_notification_batches"]
        assert bool(aging.needs(capabilities).lacks(catalogue)) is (state == "v0.7.3")
    assert served["v0.7.2"] == {
        "clear_all_user_notification_batches",
        "create_or_add_to_user_notification_batch",
        "empty_user_notification_batch",
        "get_user_notification_batch",
        "get_user_notification_oldest_message_in_batch",
        "remove_notifications_from_batch",
    }
    assert served["v0.7.3"] == set()
