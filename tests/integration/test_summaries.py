"""Summaries of a user's executions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ages import AS_OF_V0_6_48
from examples import check, examples_of

if TYPE_CHECKING:
    from service import Service


@pytest.mark.parametrize("example", examples_of("get_user_execution_summary_data"))
def test_recorded_calls(service: Service, example: Any) -> None:
    check(example, *service.answer(example["method"], example["request"]))


def execute(
    service: Service, graph: str, created: str, status: str = "COMPLETED", **given: Any
) -> None:
    service.rows(
        """INSERT INTO "AgentGraphExecution"
               (id, "userId", "agentGraphId", "executionStatus", "createdAt", stats, "isDeleted")
           VALUES (gen_random_uuid(), 'bob', %(graph)s, %(status)s, %(created)s, %(stats)s,
                   %(deleted)s)""",
        graph=graph,
        status=status,
        created=created,
        stats=json.dumps(given["stats"]) if "stats" in given else None,
        deleted=given.get("deleted", False),
    )


def summary(service: Service, **options: Any) -> dict[str, Any]:
    request = {
        "user_id": "bob", "start_time": "2026-03-01T00:00:00Z", "end_time": "2026-03-02T00:00:00Z",
    }  # fmt: skip
    found: dict[str, Any] = service.call("get_user_execution_summary_data", **(request | options))
    assert service.statements == 1
    return found


@AS_OF_V0_6_48
def test_executions_are_counted_by_how_they_ended(service: Service) -> None:
    for status in ("COMPLETED", "COMPLETED", "FAILED", "TERMINATED", "RUNNING", "QUEUED", "REVIEW"):
        execute(service, "g1", "2026-03-01 12:00", status)
    execute(service, "g1", "2026-03-01 12:00", deleted=True)
    found = summary(service)
    assert [found[key] for key in ("total_executions", "successful_runs", "failed_runs")] == [
        7, 2, 2,
    ]  # fmt: skip
    assert found["average_execution_time"] == 0
    assert found["cost_breakdown"] == {}


def test_both_ends_of_the_range_belong_to_it(service: Service) -> None:
    for moment in (
        "2026-03-01",
        "2026-03-02",
        "2026-02-28 23:59:59.999",
        "2026-03-02 00:00:00.001",
    ):
        execute(service, "g1", moment)
    assert summary(service)["total_executions"] == 2


@AS_OF_V0_6_48
def test_costs_and_times_are_of_executions_with_stats(service: Service) -> None:
    execute(service, "g1", "2026-03-01 01:00", stats={"cost": 150, "walltime": 10})
    execute(service, "g1", "2026-03-01 02:00", stats={"cost": "7", "walltime": 2.5})
    execute(service, "g1", "2026-03-01 03:00", stats={})
    execute(service, "g1", "2026-03-01 04:00", stats={"cost": 1.5, "walltime": 99})  # invalid
    execute(service, "g1", "2026-03-01 05:00")
    found = summary(service)
    assert found["total_credits_used"] == pytest.approx(1.57)
    assert found["total_execution_time"] == 12.5
    assert found["average_execution_time"] == pytest.approx(12.5 / 3)
    assert found["cost_breakdown"] == {"Graph one v2": pytest.approx(1.57)}


@AS_OF_V0_6_48
def test_the_agent_used_most_is_named_by_its_latest_version(service: Service) -> None:
    execute(service, "g3", "2026-03-01 01:00")
    execute(service, "g1", "2026-03-01 02:00")
    assert summary(service)["most_used_agent"] == "Graph one v2"  # newest first among equals
    execute(service, "g3", "2026-03-01 00:30")
    assert summary(service)["most_used_agent"] == "Bob graph"


def test_an_agent_without_name_or_graph_is_named_all_the_same(service: Service) -> None:
    service.rows("SET session_replication_role = replica")
    execute(service, "0123456789", "2026-03-01 02:00", stats={"cost": 100})
    assert summary(service)["most_used_agent"] == "Agent 01234567"
    for _ in range(2):
        execute(service, "g2", "2026-03-01 01:00", stats={"cost": 100})
    found = summary(service)
    assert found["most_used_agent"] == ""
    assert found["cost_breakdown"] == {"": 2, "Agent 01234567": 1}


@AS_OF_V0_6_48
def test_of_graphs_with_one_name_the_least_recent_stands_in_the_breakdown(service: Service) -> None:
    service.rows("""UPDATE "AgentGraph" SET name = 'same'""")
    execute(service, "g1", "2026-03-01 01:00", stats={"cost": 100})
    execute(service, "g2", "2026-03-01 03:00", stats={"cost": 200})
    execute(service, "g3", "2026-03-01 02:00", stats={"cost": 400})
    execute(service, "g1", "2026-03-01 04:00")  # says nothing of its cost
    found = summary(service)
    assert found["cost_breakdown"] == {"same": 1}
    assert found["total_credits_used"] == 7


def test_a_malformed_row_does_not_hide_the_others(service: Service) -> None:
    execute(service, "g1", "2026-03-01 01:00", stats={"cost": 100})
    service.rows("""UPDATE "AgentGraphExecution" SET inputs = '[1]', "credentialInputs" = '[1]'""")
    assert summary(service)["total_credits_used"] == 1
