"""Importing agents: what the export says, once, under the user it is for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from autogpt_db.errors import ConfigurationError, SchemaError
from autogpt_db.operations.agent_import import ImportOutcome, import_agent, read_export
from service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

GREETER = Path(__file__).parents[2] / "etc" / "examples" / "greeter.json"
INPUT, MIDDLE, OUTPUT = (f"0a9e0000-0000-4000-8000-00000000000{place}" for place in (1, 2, 3))
EXECUTOR = "e189baac-8c20-45a1-94a7-55177ea42565"
SNAPSHOT = """
SELECT (SELECT json_agg(graph ORDER BY id, version) FROM "AgentGraph" AS graph)::text,
       (SELECT json_agg(node ORDER BY id) FROM "AgentNode" AS node)::text,
       (SELECT json_agg(link ORDER BY id) FROM "AgentNodeLink" AS link)::text,
       (SELECT json_agg(block ORDER BY id) FROM "AgentBlock" AS block)::text,
       (SELECT json_agg(agent ORDER BY id) FROM "LibraryAgent" AS agent)::text,
       (SELECT json_agg(one ORDER BY id) FROM "User" AS one)::text
"""


@pytest.fixture
def service(seeded_database_url: str) -> Iterator[Service]:
    with Service(seeded_database_url) as running:
        yield running


def load(service: Service, export: Any, email: str = "ada@example.com") -> ImportOutcome:
    content = export if isinstance(export, bytes) else json.dumps(export).encode()
    with psycopg.connect(service.url, autocommit=True) as connection:
        return import_agent(connection, read_export(content), email=email)


def agent(**members: Any) -> dict[str, Any]:
    node = {"id": "n1", "block_id": "block-1", "input_default": {"a": 1}}
    return {"id": "agent", "name": "An agent", "description": "", "nodes": [node]} | members


def test_the_example_agent_is_there_after_one_import_and_after_two(service: Service) -> None:
    outcome = load(service, GREETER.read_bytes())
    assert outcome.user_created
    before = service.rows(SNAPSHOT)
    again = load(service, GREETER.read_bytes())
    assert service.rows(SNAPSHOT) == before
    assert not again.user_created
    assert again.user_id == outcome.user_id
    assert [each.created for each in again.graphs] == [False]
    user_line, graph_line = outcome.lines()
    assert user_line == f"user ada@example.com: created, id {outcome.user_id}"
    assert graph_line == (
        "graph 'Greeter' version 1: imported, id 0a9e0000-0000-4000-8000-000000000000, "
        "3 nodes, 2 links"
    )
    assert "there already" in list(again.lines())[1]
    graph = service.call(
        "get_graph",
        graph_id="0a9e0000-0000-4000-8000-000000000000",
        version=None,
        user_id=outcome.user_id,
    )
    assert [node["id"] for node in graph["nodes"]] == [INPUT, MIDDLE, OUTPUT]
    assert [(link["source_id"], link["sink_id"]) for link in graph["links"]] == [
        (INPUT, MIDDLE),
        (MIDDLE, OUTPUT),
    ]
    service.call(
        "validate_graph_execution_permissions",
        user_id=outcome.user_id,
        graph_id=graph["id"],
        graph_version=1,
    )


def test_a_run_of_the_example_agent_goes_through(service: Service) -> None:
    user = load(service, GREETER.read_bytes()).user_id
    run = service.call(
        "create_graph_execution",
        graph_id="0a9e0000-0000-4000-8000-000000000000",
        graph_version=1,
        starting_nodes_input=[[INPUT, {"name": "name", "value": "Ada"}]],
        inputs={"name": "Ada"},
        user_id=user,
    )
    (first,) = run["node_executions"]
    key = first["node_exec_id"]
    service.call("update_node_execution_status", node_exec_id=key, status="RUNNING")
    service.call(
        "upsert_execution_output", node_exec_id=key, output_name="result", output_data="Ada"
    )
    service.call("update_node_execution_status", node_exec_id=key, status="COMPLETED")
    filled, given = service.call(
        "upsert_execution_input",
        node_id=OUTPUT,
        graph_exec_id=run["id"],
        input_name="value",
        input_data="Hello, Ada!",
    )
    assert given == {"value": "Hello, Ada!"}
    service.call(
        "update_node_execution_status",
        node_exec_id=filled["node_exec_id"],
        status="QUEUED",
        execution_data={"name": "greeting", "value": "Hello, Ada!"},
    )
    service.call("update_graph_execution_start_time", graph_exec_id=run["id"])
    ended = service.call(
        "update_graph_execution_stats",
        graph_exec_id=run["id"],
        status="COMPLETED",
        stats={"node_count": 2, "walltime": 1.5},
    )
    assert ended["outputs"] == {"greeting": ["Hello, Ada!"]}
    assert ended["inputs"] == {"name": "Ada"}
    assert ended["stats"]["node_exec_count"] == 2


def test_what_is_odd_in_old_exports_is_taken(service: Service) -> None:
    export = agent(
        is_template=False,
        user_id="",
        input_schema={"type": "object"},
        has_webhook_trigger=None,
        nodes=[
            {"id": "n1", "block_id": "block-1", "webhook": None, "webhook_id": "gone"},
            {
                "id": "n2",
                "block_id": "block-1",
                "metadata": {"position": {}},
                "input_links": [
                    {"id": "l1", "source_id": "n1", "sink_id": "n2", "source_name": "a",
                     "sink_name": "b"}
                ],
            },
        ],
        links=[
            {"id": "l1", "source_id": "n1", "sink_id": "n2", "source_name": "a", "sink_name": "b"},
            {"source_id": "n1", "sink_id": "n2", "source_name": "a", "sink_name": "c"},
        ],
        forked_from_id="nowhere",
        forked_from_version=1,
    )  # fmt: skip
    load(service, export, "alice@example.com")
    before = service.rows(SNAPSHOT)
    assert list(load(service, export, "alice@example.com").lines())[2:] == []
    assert service.rows(SNAPSHOT) == before
    graph = service.call("get_graph", graph_id="agent", version=1, user_id="alice")
    assert [node["id"] for node in graph["nodes"]] == ["n1", "n2"]
    assert {link["sink_name"] for link in graph["links"]} == {"b", "c"}
    assert graph["forked_from_id"] is None
    assert graph["version"] == 1
    assert service.rows("""SELECT name FROM "AgentBlock" WHERE id = 'block-1'""") == [("block-1",)]


def test_an_export_comes_back_as_it_went_out(service: Service) -> None:
    exported = service.call(
        "get_graph", graph_id="g1", version=None, user_id="alice", for_export=True
    )
    outcome = load(service, exported)
    top, sub = outcome.graphs
    assert (top.exported_id, sub.exported_id) == ("g1", "g2")
    assert "g1" not in {top.graph.id, sub.graph.id}
    assert any("an id of its own" in line for line in outcome.lines())
    mine = service.call(
        "get_graph", graph_id=top.graph.id, version=2, user_id=outcome.user_id, for_export=True
    )
    (runs,) = [node for node in mine["nodes"] if node["block_id"] == EXECUTOR]
    assert runs["input_default"]["graph_id"] == sub.graph.id
    assert runs["input_default"]["user_id"] == outcome.user_id
    assert [each["id"] for each in mine["sub_graphs"]] == [sub.graph.id]
    names = dict(
        zip(
            [node["id"] for node in exported["nodes"]],
            [node["id"] for node in mine["nodes"]],
            strict=True,
        )
    )
    assert not set(names) & set(names.values())
    assert {(link["source_id"], link["sink_id"]) for link in mine["links"]} == {
        (names[link["source_id"]], names[link["sink_id"]]) for link in exported["links"]
    }
    before = service.rows(SNAPSHOT)
    load(service, exported)
    assert service.rows(SNAPSHOT) == before


def test_its_owner_keeps_the_ids_of_a_graph(service: Service) -> None:
    exported = service.call("get_graph", graph_id="g2", version=1, user_id="alice")
    (found,) = load(service, exported, "alice@example.com").graphs
    assert (found.graph.id, found.created, found.same) == ("g2", False, True)
    service.call("get_node", node_id="n-g2")


def test_a_changed_file_is_not_imported_over_the_graph_but_said_so(service: Service) -> None:
    load(service, agent())
    changed = agent(nodes=[{"id": "n1", "block_id": "block-1", "input_default": {"a": 2}}])
    before = service.rows(SNAPSHOT)
    outcome = load(service, changed)
    assert service.rows(SNAPSHOT) == before
    assert 'raise "version"' in list(outcome.lines())[-1]
    # The next version brings the same node ids, which are taken by the one before.
    (found,) = load(service, changed | {"version": 2}).graphs
    assert found.created
    assert found.graph.nodes[0].id != "n1"
    assert service.rows(
        """SELECT "constantInput" FROM "AgentNode" WHERE "agentGraphId" = 'agent' ORDER BY 1"""
    ) == [({"a": 1},), ({"a": 2},)]


def test_an_import_is_whole_or_not_at_all(service: Service) -> None:
    service.rows(
        """CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql
           AS $$ BEGIN RAISE 'no links today'; END $$"""
    )
    service.rows(
        """CREATE TRIGGER refuse BEFORE INSERT ON "AgentNodeLink"
           FOR EACH ROW EXECUTE FUNCTION public.refuse()"""
    )
    before = service.rows(SNAPSHOT)
    with pytest.raises(psycopg.errors.RaiseException):
        load(service, GREETER.read_bytes())
    assert service.rows(SNAPSHOT) == before


LINK = {"source_id": "n1", "sink_id": "n1", "source_name": "a", "sink_name": "b"}
FAULTS = [
    (b"", ["$: it is no JSON: "]),
    (b"\xff", ["$: it cannot be read: "]),
    (b"[" * 100_000, ["$: it nests too deep"]),
    (b"[]", ["$: Input should be a valid dictionary"]),
    (
        b'{"name": "x", "nodes": [{"block_id": "b", "metadata": {"x": NaN}}]}',
        ["$ holds NaN, an infinity or a number too large"],
    ),
    ({}, ["$.name: Field required"]),
    (agent(name=None, version="x"), ["$.version: Input", "$.name: Input"]),
    (agent(version=0), ["$.version: must be from 1"]),
    (agent(version=2**31), ["$.version: must be from 1"]),
    (agent(nodes=[{}, {"block_id": 5}]), ["$.nodes[0].block_id: F", "$.nodes[1].block_id: I"]),
    (agent(nodes=[{"block_id": "b", "input_default": []}]), ["$.nodes[0].input_default: "]),
    (agent(nodes=agent()["nodes"] * 2), ["$.nodes: more than one node has the id 'n1'"]),
    (agent(links=[LINK | {"sink_id": "?"}]), ["$.links[0].sink_id: the graph has no node '?'"]),
    (
        agent(links=[LINK | {"id": "l"}, LINK | {"id": "l", "sink_name": "c"}]),
        ["$.links: more than one link has the id 'l'"],
    ),
    (agent(sub_graphs=[{"name": 1}]), ["$.sub_graphs[0].name: "]),
    (agent(sub_graphs=[agent()]), ["$: more than one graph has the id ('agent', 1)"]),
]  # fmt: skip


@pytest.mark.parametrize(("content", "faults"), FAULTS)
def test_each_fault_is_told_by_its_path(content: Any, faults: list[str]) -> None:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    with pytest.raises(ConfigurationError) as failure:
        read_export(text)
    problems = failure.value.problems
    assert len(problems) == len(faults)
    for problem, fault in zip(problems, faults, strict=True):
        assert problem.startswith(fault)


def test_there_must_be_tables_and_an_address(empty_database: str) -> None:
    export = read_export(GREETER.read_bytes())
    with psycopg.connect(empty_database, autocommit=True) as connection:
        with pytest.raises(SchemaError, match="autogpt-db migrate"):
            import_agent(connection, export, email="ada@example.com")
        with pytest.raises(ConfigurationError, match="no e-mail address"):
            import_agent(connection, export, email="ada")
