"""Importing agents: what the export says, once, under the user it is for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from autogpt_db.agent_files.imports import ImportOutcome, import_agent, read_export
from autogpt_db.agent_files.repairs import RETIRED_BLOCKS
from autogpt_db.errors import ConfigurationError, SchemaError
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


@pytest.fixture(params=["v0.6.48", "v0.6.68"])
def service(request: pytest.FixtureRequest, seeded_database_url: str) -> Iterator[Service]:
    url = seeded_database_url
    if request.param != "v0.6.48":
        url = request.getfixturevalue("release_database")(request.param, seeded=True, ours=True)
    with Service(url) as running:
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
    assert (found.graph.id, found.created, found.differences) == ("g2", False, ())
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


def details(outcome: ImportOutcome) -> list[str]:
    return [line.strip() for line in outcome.lines() if line.startswith("  ")]


def active(service: Service) -> list[int]:
    rows = service.rows(
        """SELECT version FROM "AgentGraph" WHERE id = 'agent' AND "isActive" ORDER BY 1"""
    )
    return [version for (version,) in rows]


def entries(service: Service) -> list[tuple[Any, ...]]:
    return service.rows(
        """SELECT id, "agentGraphVersion", "isFavorite", settings, "isDeleted", "isArchived"
             FROM "LibraryAgent" WHERE "agentGraphId" = 'agent'"""
    )


def test_a_newer_version_takes_the_older_ones_place(service: Service) -> None:
    user = load(service, agent()).user_id
    service.rows(
        """UPDATE "LibraryAgent" SET "isFavorite" = true, settings = '{"x": 1}', "isArchived" = true
            WHERE "agentGraphId" = 'agent'"""
    )
    ((entry, *_),) = entries(service)
    outcome = load(service, agent(version=3))
    assert details(outcome) == ["version 1 is no longer active"]
    assert active(service) == [3]
    assert entries(service) == [(entry, 3, True, {"x": 1}, False, False)]
    (listed,) = service.call("list_library_agents", user_id=user)["agents"]
    assert (listed["id"], listed["graph_version"]) == (entry, 3)
    # One that comes late stays behind it.
    outcome = load(service, agent(version=2))
    assert details(outcome) == ["not active, because a newer version is"]
    assert active(service) == [3]
    assert entries(service) == [(entry, 3, True, {"x": 1}, False, False)]
    # What the file calls inactive takes nobody's place among the active.
    load(service, agent(version=4, is_active=False))
    assert active(service) == [3]
    assert entries(service) == [(entry, 3, True, {"x": 1}, False, False)]
    before = service.rows(SNAPSHOT)
    for version in (1, 2, 3):
        assert details(load(service, agent(version=version))) == []
    assert service.rows(SNAPSHOT) == before


def test_a_graph_of_that_id_that_is_another_users_is_left_alone(service: Service) -> None:
    load(service, agent(), "alice@example.com")
    before = entries(service)
    (found,) = load(service, agent(version=2)).graphs
    assert found.graph.id != "agent"
    assert active(service) == [1]
    assert entries(service) == before


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"name": "Another"}, "name"),
        ({"description": "More"}, "description"),
        ({"instructions": "Do"}, "instructions"),
        ({"recommended_schedule_cron": "* * * * *"}, "recommended_schedule_cron"),
        ({"is_active": False}, "is_active"),
        ({"links": [{"id": "l", "source_id": "n1", "sink_id": "n1", "source_name": "a",
                     "sink_name": "b", "is_static": True}]}, "links"),
        ({"nodes": [], "links": [], "name": ""}, "name, nodes, links"),
    ],
)  # fmt: skip
def test_whatever_a_file_has_otherwise_is_named(
    service: Service, members: dict[str, Any], named: str
) -> None:
    link = {"id": "l", "source_id": "n1", "sink_id": "n1", "source_name": "a", "sink_name": "b"}
    load(service, agent(links=[link]))
    before = service.rows(SNAPSHOT)
    assert details(load(service, agent(links=[link]))) == []
    outcome = load(service, agent(links=[link]) | members)
    assert details(outcome) == [
        f'the file differs from it ({named}): raise "version" in the file to import that'
    ]
    assert service.rows(SNAPSHOT) == before


def executor(key: str, graph_id: Any, graph_version: Any) -> dict[str, Any]:
    constant = {"graph_id": graph_id, "graph_version": graph_version}
    return {"id": key, "block_id": EXECUTOR, "input_default": constant}


def test_sub_graphs_that_are_nowhere_are_named_by_their_nodes(service: Service) -> None:
    nodes = [
        executor("in-file", "below", 1),
        executor("other-version", "below", 2),
        executor("nowhere", "gone", 7),
        executor("published", "g3", 1),
        executor("bobs", "gb", 1),
        executor("no-number", "below", "1"),
        executor("unnamed", "", 1),
    ]
    service.rows(
        """INSERT INTO "AgentGraph" (id, version, "userId", "isActive")
           VALUES ('gb', 1, 'bob', true)"""
    )
    export = agent(nodes=nodes, sub_graphs=[agent(id="below", nodes=[])])
    expected = [
        f"node {node}: runs {what}, which is neither in the file nor in the database for "
        "alice@example.com; import it, too"
        for node, what in (
            ("other-version", "version 2 of graph below"),
            ("nowhere", "version 7 of graph gone"),
            ("bobs", "version 1 of graph gb"),
            ("no-number", "no version of graph below"),
        )
    ]
    assert details(load(service, export, "alice@example.com")) == expected
    assert details(load(service, export, "alice@example.com")) == expected  # they still are
    service.rows(
        """INSERT INTO "LibraryAgent" (id, "userId", "agentGraphId", "agentGraphVersion")
           VALUES ('lb', 'alice', 'gb', 1)"""
    )
    load(service, agent(id="gone", version=7, nodes=[]), "alice@example.com")
    assert details(load(service, export, "alice@example.com")) == [expected[0], expected[3]]


def test_retired_blocks_are_replaced_as_autogpt_does(service: Service) -> None:
    load(service, agent(nodes=[]))
    nodes = [
        {"id": f"retired {number}", "block_id": block}
        for number, block in enumerate(RETIRED_BLOCKS)
    ]
    outcome = load(service, agent(version=2, nodes=nodes))
    assert len(RETIRED_BLOCKS) == 13
    assert dict(
        service.rows("""SELECT id, "agentBlockId" FROM "AgentNode" WHERE id ~ '^retired '""")
    ) == {f"retired {number}": block for number, block in enumerate(RETIRED_BLOCKS.values())}
    assert details(outcome)[1] == (
        "node retired 0: its block a1b2c3d4-5e6f-7g8h-9i0j-k1l2m3n4o5p6 is retired; "
        "436c3984-57fd-4b85-8e9a-459b356883bd stands in its place"
    )
    assert len(details(outcome)) == 14
    assert details(load(service, agent(version=2, nodes=nodes))) == []


def test_credentials_of_the_files_own_account_are_left_out(service: Service) -> None:
    reference = {"id": "c", "provider": "p", "type": "api_key", "title": None}
    nodes = [
        {"id": "n1", "block_id": "b", "input_default": {"credentials": reference, "a": 1}},
        {
            "id": "n2",
            "block_id": "b",
            "input_default": {
                "smtp_credentials": reference,
                "credentials": None,
                "forget_credentials": True,
                "deep": {"credentials": reference},
            },
        },
    ]
    outcome = load(service, agent(nodes=nodes))
    said = (
        "of the file's own account was left out; choose credentials of your own in AutoGPT's "
        "builder"
    )
    assert details(outcome) == [
        f"node n1: 'credentials' {said}",
        f"node n2: 'smtp_credentials', 'credentials' {said}",
    ]
    assert service.rows(
        """SELECT "constantInput" FROM "AgentNode" WHERE "agentGraphId" = 'agent' ORDER BY id"""
    ) == [({"a": 1},), ({"forget_credentials": True, "deep": {"credentials": reference}},)]


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
