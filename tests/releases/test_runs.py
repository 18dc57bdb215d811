"""Graph executions on the databases of AutoGPT's releases: lists, documents, changes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from autogpt_db.errors import (
    ArgumentsInvalidError,
    ForeignKeyViolationError,
    InvalidValueError,
    RecordNotFoundError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from service import Service

    Serve = Callable[..., Service]

OUTPUT_BLOCK = "363ae599-353e-4804-937e-b2ee3cef3da4"
ROWS = """
INSERT INTO "User" (id, email, "updatedAt")
SELECT name, name || '@example.com', now() FROM unnest(ARRAY['ann', 'ben']) AS name;
INSERT INTO "AgentBlock" (id, name, "inputSchema", "outputSchema")
VALUES (%(block)s, 'Output', '{}', '{}');
INSERT INTO "AgentGraph" (id, version, name, "userId", "updatedAt")
VALUES ('g', 1, 'Graph', 'ann', now()), ('g', 2, 'Graph', 'ann', now());
INSERT INTO "AgentNode" (id, "agentBlockId", "agentGraphId", "agentGraphVersion", "constantInput",
                         metadata)
VALUES ('n', %(block)s, 'g', 1, '{}', '{}');
INSERT INTO "AgentGraphExecution" (id, "agentGraphId", "agentGraphVersion", "userId", "createdAt",
                                   "startedAt", "updatedAt", "executionStatus")
SELECT 'e' || n, 'g', 1 + n %% 2, CASE n %% 3 WHEN 0 THEN 'ben' ELSE 'ann' END,
       timestamp '2026-02-01' + n * interval '1 hour',
       CASE WHEN n > 2 THEN timestamp '2026-02-03' - n * interval '1 hour' END,
       timestamp '2026-02-02' + (n * 7 %% 5) * interval '1 hour', 'RUNNING'
  FROM generate_series(1, 6) AS n;
"""
OLD_AND_NEW = pytest.mark.parametrize("state", ["v0.6.48", "v0.6.59", "v0.6.68", "v0.7.2"])


def filled(service: Service) -> Service:
    """Return a service on a database to which two users and their executions were added."""
    for statement in ROWS.split(";\n"):
        if statement.strip():
            service.rows(statement, block=OUTPUT_BLOCK)
    return service


def ids(found: list[dict[str, Any]]) -> list[str]:
    return [each["id"] for each in found]


# Lists ---------------------------------------------------------------------------------------


@OLD_AND_NEW
def test_a_list_is_narrowed_ordered_and_paged(service_in: Serve, state: str) -> None:
    service = filled(service_in(state))

    def listed(**arguments: Any) -> list[str]:
        return ids(service.call("get_graph_executions", **arguments))

    assert listed(execution_ids=["e5", "e1", "?"]) == ["e5", "e1"]
    assert listed(execution_ids=["e5", "e3"], user_id="ben") == ["e3"]
    assert listed(execution_ids=["e5"], graph_exec_id="e1") == ["e1"]
    assert len(listed(execution_ids=[])) == 6
    assert listed(started_time_gte="2026-02-02T20:00:00Z") == ["e4", "e3"]
    assert listed(started_time_lte="2026-02-02T18:00:00Z") == ["e6"]
    assert listed(
        started_time_gte="2026-02-02T19:00:00Z", started_time_lte="2026-02-02T20:00:00Z"
    ) == ["e5", "e4"]
    assert listed(order_direction="asc") == ["e1", "e2", "e3", "e4", "e5", "e6"]
    assert listed(order_by="startedAt") == ["e1", "e2", "e3", "e4", "e5", "e6"]
    assert listed(order_by="startedAt", order_direction="asc") == [
        *("e6", "e5", "e4", "e3"),
        *("e1", "e2"),
    ]
    assert listed(order_by="updatedAt", order_direction="asc") == [
        *("e5", "e3", "e1", "e6", "e4", "e2")
    ]
    assert listed(offset=4) == ["e2", "e1"]
    assert listed(offset=1, limit=2) == ["e5", "e4"]
    assert listed(offset=1, limit=-2) == ["e3", "e2"]
    assert listed(offset=1, limit=2, graph_id="g", order_direction="asc") == ["e2", "e3"]
    assert listed(offset=None, limit=1) == listed(offset=0, limit=1) == ["e6"]
    assert listed(offset=2**62) == []
    with pytest.raises(InvalidValueError, match="offset"):
        listed(offset=-1)
    for odd in ({"order_by": "id"}, {"order_direction": "up"}, {"execution_ids": "e1"}):
        with pytest.raises(ArgumentsInvalidError):
            listed(**odd)


@OLD_AND_NEW
def test_a_count_knows_when_executions_started_and_changed(service_in: Serve, state: str) -> None:
    service = filled(service_in(state))

    def count(**arguments: Any) -> int:
        found: int = service.call("get_graph_executions_count", **arguments)
        return found

    assert count(started_time_gte="2026-01-01T00:00:00Z") == 4
    assert count(started_time_lte="2026-02-02T18:00:00Z", graph_id="g") == 1
    assert count(updated_time_lte="2026-02-02T01:00:00Z") == 2
    assert count(updated_time_gte="2026-02-02T02:00:00Z", user_id="ann") == 3


def test_a_team_has_executions_only_where_there_are_teams(service_in: Serve) -> None:
    old = filled(service_in("v0.6.59"))
    assert old.call("get_graph_executions", team_id="team-1") == []
    assert len(old.call("get_graph_executions", team_id="")) == 6
    new = service_in("v0.6.68", seeded=True)
    assert ids(new.call("get_graph_executions", team_id="team-1")) == ["e14", "e11"]


# What they say -------------------------------------------------------------------------------


def test_an_execution_says_more_from_release_to_release(service_in: Serve) -> None:
    members: dict[str, set[str]] = {}
    for state in ("v0.6.50", "v0.6.51", "v0.6.68", "v0.7.1", "v0.7.2"):
        service = filled(service_in(state))
        service.rows("""UPDATE "AgentGraphExecution" SET stats = '{"is_dry_run": true}'""")
        found = service.call("get_graph_execution_meta", user_id="ann", execution_id="e1")
        members[state] = set(found) | {f"stats.{name}" for name in found["stats"]}
        with_nodes = service.call(
            "get_graph_execution", user_id="ann", execution_id="e1", include_node_executions=True
        )
        assert {name: with_nodes[name] for name in found} == found | {"inputs": {}}
        (listed,) = service.call("get_graph_executions", graph_exec_id="e1")
        assert listed == found
        if state != "v0.6.50":
            assert found["is_dry_run"] is True
            assert (found["organization_id"], found["team_id"]) == (None, None)
    assert members["v0.6.51"] - members["v0.6.50"] == {"is_dry_run", "organization_id", "team_id"}
    assert members["v0.6.68"] == members["v0.6.51"]
    assert members["v0.7.1"] - members["v0.6.68"] == {"expert_id"}
    assert members["v0.7.2"] - members["v0.7.1"] == {"stats.failure_reason"}


DRY_RUNS: list[tuple[Any, bool, bool]] = [
    ({"is_dry_run": True}, True, True),
    ({"is_dry_run": "yes"}, True, True),
    ({"is_dry_run": 1}, True, True),
    ({"is_dry_run": False, "cost": 3}, False, True),
    ({}, False, True),
    (None, False, False),
    ([], False, False),
    ({"is_dry_run": "perhaps"}, False, False),
    ({"is_dry_run": None}, False, False),
    ({"is_dry_run": True, "cost": "x"}, False, False),
]


def test_a_dry_run_is_one_whose_stats_say_so_and_validate(service_in: Serve) -> None:
    service = filled(service_in("v0.6.68"))
    for stats, dry_run, valid in DRY_RUNS:
        service.rows(
            'UPDATE "AgentGraphExecution" SET stats = %(stats)s::jsonb', stats=json.dumps(stats)
        )
        found = service.call("get_graph_execution_meta", user_id="ann", execution_id="e1")
        assert (found["is_dry_run"], found["stats"] is not None) == (dry_run, valid), stats


FAILURES: list[tuple[str, Any, str | None]] = [
    ("COMPLETED", {"failure_reason": "entitlement_required"}, "entitlement_required"),
    ("FAILED", {"error": "You have no credits left to run an agent."}, "insufficient_balance"),
    (
        "FAILED",
        {"error": "Insufficient balance of $-0.5, where this will cost $12"},
        "insufficient_balance",
    ),
    (
        "FAILED",
        {
            "error": "Insufficient balance to run My_Block2: dynamic-cost blocks require a "
            "positive balance."
        },
        "insufficient_balance",
    ),
    ("FAILED", {"error": "Organization has -3 credits but needs 4"}, "insufficient_balance"),
    ("FAILED", {"error": "Organization has -3 credits but needs 4 "}, None),
    ("FAILED", {"error": "Organization has -3 credits but needs 4\n"}, None),
    ("FAILED", {"error": "Insufficient balance of $.5, where this will cost $12"}, None),
    ("RUNNING", {"error": "You have no credits left to run an agent."}, None),
    ("FAILED", {"error": None, "failure_reason": None}, None),
]


def test_a_failure_has_its_reason(service_in: Serve) -> None:
    service = filled(service_in("v0.7.2"))
    for status, stats, reason in FAILURES:
        service.rows(
            """UPDATE "AgentGraphExecution"
                  SET stats = %(stats)s::jsonb,
                      "executionStatus" = %(status)s::text::"AgentExecutionStatus" """,
            stats=json.dumps(stats),
            status=status,
        )
        found = service.call("get_graph_execution_meta", user_id="ann", execution_id="e1")
        assert found["stats"]["failure_reason"] == reason, stats


def test_an_unknown_reason_spoils_the_stats_and_is_not_taken(service_in: Serve) -> None:
    service = filled(service_in("v0.7.2"))
    service.rows("""UPDATE "AgentGraphExecution" SET stats = '{"failure_reason": "luck"}'""")
    found = service.call("get_graph_execution_meta", user_id="ann", execution_id="e1")
    assert found["stats"] is None
    with pytest.raises(ArgumentsInvalidError):
        service.call(
            "update_graph_execution_stats", graph_exec_id="e1", stats={"failure_reason": "luck"}
        )


@pytest.mark.parametrize("state", ["v0.6.50", "v0.6.68"])
def test_a_providers_faulty_name_is_read_as_its_word(service_in: Serve, state: str) -> None:
    service = filled(service_in(state))
    references = {
        name: {"id": "1", "title": None, "provider": provider, "type": "api_key"}
        for name, provider in {
            "a": "ProviderName.GITHUB",
            "b": "ProviderName.NO_SUCH",
            "c": "ProviderName.github",
            "d": "github",
            "e": "ProviderName.",
        }.items()
    }
    service.rows(
        'UPDATE "AgentGraphExecution" SET "credentialInputs" = %(value)s::jsonb',
        value=json.dumps(references),
    )
    found = service.call("get_graph_execution_meta", user_id="ann", execution_id="e1")
    references["a"]["provider"] = "github"
    assert found["credential_inputs"] == references


# Who sees them -------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["get_graph_execution", "get_graph_execution_meta"])
def test_an_organization_lets_its_members_see_what_is_theirs(
    service_in: Serve, method: str
) -> None:
    service = service_in("v0.6.68", seeded=True)

    def sees(user: str, execution: str, organization: str | None) -> bool:
        found = service.call(
            method, user_id=user, execution_id=execution, organization_id=organization
        )
        assert found is None or found["id"] == execution
        return found is not None

    # e1 is alice's without an organization, e10 org-1's home, e11 and e12 of its teams.
    assert sees("alice", "e1", None)
    assert sees("alice", "e1", "org-1")
    assert not sees("bob", "e1", "org-1")
    assert not sees("alice", "e10", None)
    assert sees("alice", "e10", "org-1")
    assert sees("stranger", "e10", "org-1")
    assert not sees("alice", "e10", "")
    assert sees("alice", "e11", "org-1")
    assert not sees("carol", "e11", "org-1")
    assert not sees("alice", "e12", "org-1")
    assert not sees("carol", "e12", "org-1"), "she is suspended"
    assert sees("bob", "e12", "org-1")
    assert not sees("bob", "e12", "org-b")
    service.rows("""UPDATE "AgentGraphExecution" SET "isDeleted" = true WHERE id = 'e10'""")
    assert not sees("bob", "e10", "org-1")


def test_many_ask_for_their_organizations_at_once(service_in: Serve) -> None:
    service = service_in("v0.6.68", seeded=True)
    asked = [
        {"user_id": user, "execution_id": execution, "organization_id": organization}
        for user in ("alice", "bob", "carol", "stranger")
        for execution in ("e1", "e10", "e11", "e12", "e13")
        for organization in ("org-1", "org-a", "")
    ]
    alone = [service.call("get_graph_execution_meta", **each) for each in asked]
    together = service.together(("get_graph_execution_meta", each) for each in asked)
    assert together == alone
    assert len([each for each in alone if each]) == 11
    assert max(merger.figures.sent / merger.figures.batches for merger in service.mergers()) > 1


def test_an_experts_run_is_its_owners_alone(service_in: Serve) -> None:
    for state, seen in (("v0.7.1", True), ("v0.7.2", False)):
        service = service_in("v0.7.2", seeded=True) if state == "v0.7.2" else service_in(state)
        if state == "v0.7.1":
            filled(service)
            service.rows("""
                INSERT INTO "Expert" (id, "ownerUserId", name, role, identity, "updatedAt")
                VALUES ('x', 'ann', 'X', 'x', 'x', now());
                """)
            service.rows("""UPDATE "AgentGraphExecution" SET "organizationId" = 'o',
                                   "expertId" = 'x' WHERE id = 'e1'""")
            asked = {"user_id": "ben", "execution_id": "e1", "organization_id": "o"}
        else:
            asked = {"user_id": "alice", "execution_id": "e10", "organization_id": "org-1"}
        assert (service.call("get_graph_execution_meta", **asked) is not None) is seen
        asked["user_id"] = "ann" if state == "v0.7.1" else "bob"
        assert service.call("get_graph_execution_meta", **asked)["expert_id"] is not None


def test_without_organizations_only_ones_own_are_seen(service_in: Serve) -> None:
    service = filled(service_in("v0.6.59"))
    for organization in ("o", ""):
        asked = {"execution_id": "e1", "organization_id": organization}
        assert service.call("get_graph_execution", user_id="ann", **asked)["id"] == "e1"
        assert service.call("get_graph_execution", user_id="ben", **asked) is None


# New ones ------------------------------------------------------------------------------------


CREATE = {
    "graph_id": "g",
    "graph_version": 1,
    "starting_nodes_input": [["n", {"name": "o", "value": 1}]],
    "inputs": {"a": 1},
    "user_id": "ann",
}


def create(service: Service, **more: Any) -> Any:
    return service.call("create_graph_execution", **(CREATE | more))


@OLD_AND_NEW
def test_a_dry_run_is_made_as_one(service_in: Serve, state: str) -> None:
    service = filled(service_in(state))
    dry, real = create(service, is_dry_run=True), create(service, is_dry_run=False)
    stored = dict(service.rows('SELECT id, stats FROM "AgentGraphExecution" WHERE length(id) > 2'))
    assert stored == {dry["id"]: {"is_dry_run": True}, real["id"]: None}
    assert [node["status"] for node in dry["node_executions"]] == ["QUEUED"]
    if state != "v0.6.48":
        assert (dry["is_dry_run"], real["is_dry_run"]) == (True, False)


def test_an_execution_is_made_for_an_organization_and_its_team(service_in: Serve) -> None:
    service = service_in("v0.6.68", seeded=True)
    given = {"graph_id": "g7", "user_id": "alice", "starting_nodes_input": []}
    made = create(service, **given, organization_id="anything", team_id="team-a")
    assert (made["organization_id"], made["team_id"]) == ("anything", "team-a")
    made = create(service, **given, organization_id="", team_id="")
    assert (made["organization_id"], made["team_id"]) == (None, None)
    with pytest.raises(ForeignKeyViolationError, match="AgentGraphExecution_teamId_fkey"):
        create(service, **given, team_id="?")


@pytest.mark.parametrize("name", ["organization_id", "team_id", "expert_id"])
def test_what_has_no_place_in_the_database_is_refused_by_name(service_in: Serve, name: str) -> None:
    service = filled(service_in("v0.6.59"))
    before = service.value('SELECT count(*) FROM "AgentGraphExecution"')
    status, answer = service.answer("create_graph_execution", CREATE | {name: "x"})
    assert (status, [entry["loc"] for entry in answer["detail"]]) == (422, [["body", name]])
    assert service.value('SELECT count(*) FROM "AgentGraphExecution"') == before
    for nothing in (None, ""):
        create(service, **{name: nothing})


EXPERTS = """
INSERT INTO "Expert" (id, "ownerUserId", name, role, identity, "updatedAt", "isTemplate",
                      "isArchived", visibility)
VALUES ('good', 'ann', 'X', 'x', 'x', now(), false, false, 'PRIVATE'),
       ('bens', 'ben', 'X', 'x', 'x', now(), false, false, 'PRIVATE'),
       ('template', 'ann', 'X', 'x', 'x', now(), true, false, 'PRIVATE'),
       ('archived', 'ann', 'X', 'x', 'x', now(), false, true, 'PRIVATE'),
       ('shared', 'ann', 'X', 'x', 'x', now(), false, false, 'TEAM')
"""


@pytest.mark.parametrize(
    ("state", "usable"), [("v0.7.1", {"good", "archived", "shared"}), ("v0.7.2", {"good"})]
)
def test_an_expert_runs_only_what_it_may(service_in: Serve, state: str, usable: set[str]) -> None:
    service = filled(service_in(state))
    service.rows(EXPERTS)
    for expert in ("good", "bens", "template", "archived", "shared", "?"):
        before = service.rows('SELECT count(*) FROM "AgentNodeExecutionInputOutput"')
        if expert in usable:
            for dry_run in (False, True):
                made = create(service, expert_id=expert, is_dry_run=dry_run)
                assert (made["expert_id"], made["is_dry_run"]) == (expert, dry_run)
                assert made["outputs"] == {"o": [1]}
        else:
            with pytest.raises(InvalidValueError, match=rf"Expert #.*{expert}"):
                create(service, expert_id=expert)
            assert service.rows('SELECT count(*) FROM "AgentNodeExecutionInputOutput"') == before
    assert create(service, expert_id="")["expert_id"] is None


def test_a_new_execution_is_the_last_run_of_the_users_library_agents(service_in: Serve) -> None:
    service = filled(service_in("v0.6.70"))
    service.rows("""
        INSERT INTO "LibraryAgent" (id, "userId", "agentGraphId", "agentGraphVersion",
                                    "updatedAt", "lastRunAt")
        VALUES ('old', 'ann', 'g', 1, '2026-01-01', '2026-01-01'),
               ('later', 'ann', 'g', 2, '2026-01-01', '2126-01-01'),
               ('bens', 'ben', 'g', 1, '2026-01-01', NULL)
        """)
    made = create(service)["id"]
    found = service.rows(
        """SELECT agent.id, agent."lastRunAt" = made."createdAt", agent."updatedAt" > '2026-01-01'
             FROM "LibraryAgent" AS agent, "AgentGraphExecution" AS made
            WHERE made.id = %(made)s ORDER BY agent.id""",
        made=made,
    )
    assert found == [("bens", None, False), ("later", False, False), ("old", True, True)]
    answers = service.together([("create_graph_execution", CREATE) for _ in range(8)])
    assert [answer for answer in answers if isinstance(answer, BaseException)] == []
    assert service.value(
        """SELECT max(made."createdAt") = (SELECT "lastRunAt" FROM "LibraryAgent" WHERE id = 'old')
             FROM "AgentGraphExecution" AS made"""
    )


# Moved on ------------------------------------------------------------------------------------

NODES = """
INSERT INTO "AgentNodeExecution" (id, "agentGraphExecutionId", "agentNodeId", "executionStatus",
                                  stats)
VALUES ('runs', 'e1', 'n', 'RUNNING', '{"walltime": 1}'),
       ('odd', 'e1', 'n', 'RUNNING', '[]'),
       ('done', 'e1', 'n', 'COMPLETED', NULL),
       ('waits', 'e1', 'n', 'QUEUED', NULL),
       ('other', 'e2', 'n', 'RUNNING', NULL)
"""


def nodes(service: Service) -> dict[str, tuple[Any, ...]]:
    found = service.rows(
        """SELECT id, "executionStatus"::text, stats, "endedTime" IS NOT NULL
             FROM "AgentNodeExecution" """
    )
    return {row[0]: row[1:] for row in found}


@pytest.mark.parametrize("state", ["master-2026-05-20", "v0.6.68", "v0.7.2"])
@pytest.mark.parametrize("status", ["COMPLETED", "FAILED", "TERMINATED"])
def test_what_still_runs_ends_with_its_execution(
    service_in: Serve, state: str, status: str
) -> None:
    service = filled(service_in(state))
    service.rows(NODES)
    before = nodes(service)
    service.call("update_graph_execution_stats", graph_exec_id="e1", stats={"cost": 1})
    service.call("update_graph_execution_stats", graph_exec_id="e1", status="REVIEW")
    service.call("update_graph_execution_stats", graph_exec_id="e1", status="RUNNING")
    assert nodes(service) == before
    moved = service.call("update_graph_execution_stats", graph_exec_id="e1", status=status)
    assert moved["status"] == status
    error = f"graph_execution_{status.lower()}"
    ended = {
        "runs": ("FAILED", {"walltime": 1, "error": error}, True),
        "odd": ("FAILED", {"error": error}, True),
    }
    assert nodes(service) == before | ended


def test_a_refused_end_ends_nothing_unless_it_is_over_already(service_in: Serve) -> None:
    service = filled(service_in("v0.6.68"))
    service.rows(NODES)
    service.rows("""UPDATE "AgentGraphExecution" SET "executionStatus" = 'QUEUED'""")
    before = nodes(service)
    call = {"graph_exec_id": "e1", "status": "COMPLETED"}
    assert service.call("update_graph_execution_stats", **call)["status"] == "QUEUED"
    assert nodes(service) == before
    service.rows("""UPDATE "AgentGraphExecution" SET "executionStatus" = 'FAILED'""")
    assert service.call("update_graph_execution_stats", **call)["status"] == "FAILED"
    assert nodes(service)["runs"][0] == "FAILED"
    assert nodes(service)["other"][0] == "RUNNING"


def test_children_are_left_alone_where_that_is_asked_for_and_in_old_databases(
    service_in: Serve,
) -> None:
    for state, asked in (("v0.6.68", {"cascade_running_children": False}), ("v0.6.59", {})):
        service = filled(service_in(state))
        service.rows(NODES)
        before = nodes(service)
        service.call("update_graph_execution_stats", graph_exec_id="e1", status="FAILED", **asked)
        assert nodes(service) == before


def test_an_execution_changes_its_organization(service_in: Serve) -> None:
    service = service_in("v0.7.2", seeded=True)
    created = create(service, graph_id="g7", user_id="alice", starting_nodes_input=[])

    def update(**more: Any) -> Any:
        found = service.call(
            "update_graph_execution_stats", **({"graph_exec_id": created["id"]} | more)
        )
        return found["status"], found["organization_id"], found["team_id"]

    move = {"update_tenancy": True}
    assert update(**move, organization_id="org-1", team_id="team-1") == (
        *("INCOMPLETE", "org-1", "team-1"),
    )
    for missing in (None, ""):
        with pytest.raises(InvalidValueError, match="organization_id"):
            update(**move, organization_id=missing)
    assert update(**move, organization_id="org-b") == ("INCOMPLETE", "org-b", None)
    assert update(organization_id="org-1", status="RUNNING") == ("RUNNING", "org-b", None)
    assert update(**move, organization_id="org-1", status="FAILED") == ("FAILED", "org-1", None)
    refused = update(**move, organization_id="org-2", status="RUNNING")
    assert refused == ("FAILED", "org-1", None)
    with pytest.raises(RecordNotFoundError):
        update(**move, organization_id="org-1", graph_exec_id="?")
    with pytest.raises(ForeignKeyViolationError):
        update(**move, organization_id="org-1", team_id="?")
    with pytest.raises(InvalidValueError, match="status or stats"):
        update(organization_id="org-1")
    old = filled(service_in("v0.6.59"))
    status, answer = old.answer(
        "update_graph_execution_stats", {"graph_exec_id": "e1", "organization_id": "o"} | move
    )
    assert (status, answer["detail"][0]["loc"]) == (422, ["body", "update_tenancy"])


def test_stats_keep_what_came_and_nothing_else(service_in: Serve) -> None:
    service = filled(service_in("v0.6.68"))
    for given in ({"cost": 1}, {"is_dry_run": True}, {"failure_reason": "insufficient_balance"}):
        service.call("update_graph_execution_stats", graph_exec_id="e1", stats=given)
        stored = service.value("""SELECT stats FROM "AgentGraphExecution" WHERE id = 'e1'""")
        assert {name: stored.get(name) for name in given} == given
        assert ("is_dry_run" in stored, "failure_reason" in stored) == (
            *("is_dry_run" in given, "failure_reason" in given),
        )


@OLD_AND_NEW
def test_starting_and_children_answer_like_the_rest(service_in: Serve, state: str) -> None:
    service = filled(service_in(state))
    service.rows("""UPDATE "AgentGraphExecution" SET "parentGraphExecutionId" = 'e1'
                     WHERE id = 'e2'""")
    (child,) = service.call("get_child_graph_executions", parent_exec_id="e1")
    assert child == service.call("get_graph_execution_meta", user_id="ann", execution_id="e2")
    started = service.call("update_graph_execution_start_time", graph_exec_id="e2")
    assert set(started) == set(child) | {"outputs"}
