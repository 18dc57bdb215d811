"""Importing agents as v0.6.49 and later write them, into databases of every age."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from autogpt_db.agent_files.imports import ImportOutcome, import_agent, read_export
from releases.building import LATEST

if TYPE_CHECKING:
    from collections.abc import Callable

    from service import Service

EXPORT: dict[str, Any] = json.loads(
    (Path(__file__).parent / "exports" / "v0.6.68.json").read_text("utf-8")
)
"""What v0.6.68's "export agent" writes, its computed members included."""
GRAPH, SUB_GRAPH = EXPORT["id"], EXPORT["sub_graphs"][0]["id"]
NODE = "5f0c0000-0000-4000-8000-00000000000{}"
SINCE_ORGANIZATIONS = ("organization_id", "team_id")
OF_TRIGGERS = {
    "provider": "telegram",
    "config_schema": {"type": "object", "properties": {"events": {"type": "object"}}},
    "credentials_input_name": "credentials",
}


def load(service: Service, export: dict[str, Any], email: str) -> ImportOutcome:
    with psycopg.connect(service.url, autocommit=True) as connection:
        return import_agent(connection, read_export(json.dumps(export).encode()), email=email)


def without_what_later_releases_added(export: dict[str, Any]) -> dict[str, Any]:
    """Return the file as v0.6.49 to v0.6.66 write it: nothing of organizations."""
    return {name: value for name, value in export.items() if name not in SINCE_ORGANIZATIONS}


@pytest.mark.parametrize("state", ["v0.6.50", "v0.6.54", "v0.6.59", "v0.6.68", LATEST])
@pytest.mark.parametrize("later", [True, False], ids=["v0.6.68's file", "v0.6.49's file"])
def test_an_export_is_imported_as_it_is(
    service_in: Callable[..., Service], state: str, *, later: bool
) -> None:
    service = service_in(state)
    export = EXPORT if later else without_what_later_releases_added(EXPORT)
    outcome = load(service, export, "ada@example.com")
    user = outcome.user_id
    assert [line for line in outcome.lines() if line.startswith("  ")] == []
    graph = service.call(
        "get_graph", graph_id=GRAPH, version=4, user_id=user, include_subgraphs=True
    )
    for name in ("name", "description", "instructions", "recommended_schedule_cron", "is_active"):
        assert graph[name] == export[name], name
    assert graph["user_id"] == user
    assert graph["forked_from_id"] is None, "what it is a copy of is not here"
    assert (graph["organization_id"], graph["team_id"]) == (None, None)
    assert sorted(graph["links"], key=lambda each: each["id"]) == export["links"]
    (executor,) = [each for each in graph["nodes"] if each["id"] == NODE.format(3)]
    assert executor["input_default"] == (export["nodes"][2]["input_default"] | {"user_id": user}), (
        "a run below it is its new owner's"
    )
    for node, given in zip(graph["nodes"], export["nodes"], strict=True):
        assert (node["id"], node["block_id"]) == (given["id"], given["block_id"])
        assert node["metadata"] == given["metadata"]
        if node != executor:
            assert node["input_default"] == given["input_default"]
    assert [each["id"] for each in graph["sub_graphs"]] == [SUB_GRAPH]
    assert graph["sub_graphs"][0]["nodes"][0]["input_default"]["name"] == "text"
    (again, below) = load(service, export, "ada@example.com").graphs
    assert (again.created, again.differences) == (False, ())
    assert (below.created, below.differences) == (False, ())


def test_what_was_an_organizations_elsewhere_is_the_users_own(
    service_in: Callable[..., Service],
) -> None:
    service = service_in(LATEST, seeded=True)
    trigger = EXPORT["nodes"][0] | {
        "block_id": "4435e4e0-df6e-4301-8f35-ad70b12fc9ec",
        "webhook_id": "a-webhook-there",
        "input_default": {"credentials": {"id": "there", "provider": "telegram"}, "events": {}},
    }
    # Not an export, but what a program was told of a graph: a team's, and triggered by somebody.
    told = EXPORT | {
        "user_id": "somebody-there",
        "organization_id": "an-organization-there",
        "team_id": "a-team-there",
        "nodes": [trigger, *EXPORT["nodes"][1:]],
        "has_external_trigger": True,
        "trigger_setup_info": OF_TRIGGERS,
    }
    outcome = load(service, told, "alice@example.com")
    ((warning,),) = [[line for line in outcome.lines() if line.startswith("  ")]]
    assert "'credentials' of the file's own account was left out" in warning
    (organization, _team) = service.call("resolve_default_tenancy", user_id="alice")
    # Asked for as an organization's, as callers of this release do, and run as one.
    graph = service.call(
        "get_graph", graph_id=GRAPH, version=4, user_id="alice", organization_id=organization
    )
    assert graph["user_id"] == "alice"
    assert (graph["organization_id"], graph["team_id"]) == (None, None)
    first = graph["nodes"][0]
    assert (first["webhook_id"], first["input_default"]) == (None, {"events": {}})
    service.call(
        "validate_graph_execution_permissions", user_id="alice", graph_id=GRAPH, graph_version=4
    )
    listed = service.call("list_library_agents", user_id="alice", organization_id=organization)
    (entry,) = [each for each in listed["agents"] if each["graph_id"] == GRAPH]
    assert (entry["name"], entry["graph_version"]) == (EXPORT["name"], 4)


@pytest.mark.parametrize("state", ["v0.6.68", LATEST])
def test_an_export_of_a_release_comes_back_into_its_database(
    service_in: Callable[..., Service], state: str
) -> None:
    service = service_in(state, seeded=True)
    exported = service.call(
        "get_graph", graph_id="g1", version=None, user_id="alice", for_export=True
    )
    (same, _) = load(service, exported, "alice@example.com").graphs
    assert (same.graph.id, same.created) == ("g1", False)
    outcome = load(service, exported, "ada@example.com")
    (mine, below) = outcome.graphs
    found = service.call(
        "get_graph", graph_id=mine.graph.id, version=2, user_id=outcome.user_id, for_export=True
    )
    assert [each["block_id"] for each in found["nodes"]] == [
        each["block_id"] for each in exported["nodes"]
    ]
    assert [each["id"] for each in found["sub_graphs"]] == [below.graph.id]
