"""The two forms of every merged statement: for one call and for many, with one effect."""

from __future__ import annotations

import datetime as dt
import json
import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autogpt_db.database.capabilities import Capabilities, ForSchema
from autogpt_db.database.pool.merged import Merged
from autogpt_db.database.releases import catalogue_of
from autogpt_db.operations import load_operations
from autogpt_db.operations.short_lists import ShortList
from releases.building import LATEST
from service import FIRST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from releases.building import ReleaseDatabases

FIRST_CAPABILITIES = Capabilities.of(catalogue_of("v0.6.48"))
LATEST_CAPABILITIES = Capabilities.of(catalogue_of(LATEST))
ON_FIRST_TABLES = {operation.function.__module__ for operation in FIRST.values()}
"""Modules whose methods are tried on the first release's tables; all others' on the latest's."""

Connection = psycopg.Connection[tuple[Any, ...]]


def merged_statements() -> dict[str, Merged]:
    """Return every one that a method has, by its place."""
    load_operations()
    found: dict[int, tuple[str, Merged]] = {}
    for name, module in list(sys.modules.items()):
        if name.startswith("autogpt_db.operations."):
            has = FIRST_CAPABILITIES if name in ON_FIRST_TABLES else LATEST_CAPABILITIES
            for variable, value in vars(module).items():
                fit = value(has) if isinstance(value, ForSchema) else value
                for one in fit if isinstance(fit, ShortList) else (fit,):
                    if isinstance(one, Merged):
                        found.setdefault(id(value), (f"{name.rpartition('.')[2]}.{variable}", one))
    return dict(found.values())


MERGED = merged_statements()

# What there is to be found by; a statement's parameters are named alike everywhere.
IDS = {
    "node_exec_id": 'SELECT "id" FROM "AgentNodeExecution" ORDER BY 1 LIMIT 4',
    "graph_exec_id": 'SELECT "id" FROM "AgentGraphExecution" ORDER BY 1 LIMIT 3',
    "execution_id": 'SELECT "id" FROM "AgentGraphExecution" ORDER BY 1 LIMIT 3',
    "node_id": 'SELECT "id" FROM "AgentNode" ORDER BY 1 LIMIT 3',
    "session_id": 'SELECT "id" FROM "ChatSession" ORDER BY 1 LIMIT 4',
    "org_id": 'SELECT "id" FROM "Organization" ORDER BY 1',
    "user_id": 'SELECT DISTINCT "userId" FROM "AgentGraphExecution" ORDER BY 1 LIMIT 3',
}
TEXTS: Mapping[str, st.SearchStrategy[str | None]] = {
    "status": st.sampled_from(["QUEUED", "RUNNING", "COMPLETED", "FAILED"]),
    "allowed": st.sampled_from(["{QUEUED,INCOMPLETE}", "{RUNNING}", "{COMPLETED,QUEUED,RUNNING}"]),
    "organization_id": st.sampled_from([None, "an organization"]),
    "platform": st.sampled_from(["DISCORD", "DISCORD", "TELEGRAM", "TELEGRAM", "SLACK", "X"]),
    "target": st.sampled_from(["srv1", "srv2", "du1", "du2", "missing"]),
    # Made for each call.
    "event_id": st.uuids().map(str),
    "transaction_key": st.uuids().map(str),
    "team_id": st.sampled_from([None, None, "t1"]),
}
# Somebody has approved something, and all that a node does.
REVIEWS = """
INSERT INTO "PendingHumanReview"
       ("nodeExecId", "userId", "graphExecId", "graphId", "graphVersion", "payload", "status")
SELECT reviewed.key, execution."userId", execution."id", execution."agentGraphId",
       execution."agentGraphVersion", '{"reviewed": true}', reviewed.status::"ReviewStatus"
  FROM "AgentNodeExecution" AS node_execution
  JOIN "AgentGraphExecution" AS execution
    ON execution."id" = node_execution."agentGraphExecutionId"
 CROSS JOIN LATERAL (
        VALUES (node_execution."id", 'APPROVED'),
               (concat_ws('_', 'auto_approve', execution."id", node_execution."agentNodeId"),
                'APPROVED'),
               ('waiting ' || node_execution."id", 'WAITING')
       ) AS reviewed (key, status)
 WHERE mod(hashtext(node_execution."id"), 2) = 0
    ON CONFLICT DO NOTHING
"""
NAMES = st.sampled_from(["a", "b", 'quoted "c"', "back\\slash", "snow ☃", "", "\x00"])
CHAT_STATUSES = st.sampled_from(["idle", "queued", "running"])
# Where a name stands for something else than elsewhere.
OF_STATEMENT: Mapping[tuple[str, str], st.SearchStrategy[str | None]] = {
    ("session_status._COUNT", "status"): CHAT_STATUSES,
    ("session_status._LIST", "status"): CHAT_STATUSES,
    ("session_status._UPDATE", "status"): CHAT_STATUSES,
    ("session_status._UPDATE", "expect_status"): st.none() | CHAT_STATUSES,
    ("session_status._UPDATE", "user_id"): st.sampled_from([None, "alice", "bob", "missing"]),
    ("chat_sessions._UPDATE", "title"): st.none() | NAMES,
    ("chat_sessions._UPDATE", "team_id"): st.none() | NAMES,
}
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text("ab☃\\\"'", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES.filter("\x00".__ne__), inner),
    max_leaves=4,
)
OBJECTS = st.none() | st.dictionaries(st.sampled_from("ab"), DOCUMENTS, max_size=2).map(json.dumps)
# Where a method takes an object or nothing, or a value or nothing, null is nothing.
COUNTS = st.none() | st.integers(-(2**31), 2**31 - 1) | st.just(2**31)
OPTIONAL = {
    "execution_data": OBJECTS,
    "stats": OBJECTS,
    "cost": st.sampled_from([1, 7, 300, 2**31 - 1]).map(str),
    "entry": st.fixed_dictionaries(
        {},
        optional={
            "cost_microdollars": st.none() | st.integers(-(2**63), 2**63),
            **dict.fromkeys(("input_tokens", "cache_read_tokens", "data_size"), COUNTS),
            "duration": st.none() | st.floats(allow_nan=False, allow_infinity=False),
            "metadata": st.none() | st.dictionaries(st.sampled_from("ab"), DOCUMENTS, max_size=2),
        },
    ).map(json.dumps),
    **dict.fromkeys(
        ("char_count", "duration_ms"),
        COUNTS.map(lambda number: None if number is None else str(number)),
    ),
    "credentials": OBJECTS,
    "successful_agent_runs": OBJECTS,
    "successful_agent_schedules": OBJECTS,
    **dict.fromkeys(
        ("total_prompt_tokens", "total_completion_tokens"),
        COUNTS.map(lambda number: None if number is None else str(number)),
    ),
    "update_tenancy": st.sampled_from(["true", "false"]),
    # Numbers that are taken, free, beyond a gap, and the last one that there is.
    "start_sequence": st.sampled_from(["-1", "0", "1", "2", "3", "9", str(2**31 - 1)]),
    "messages": st.lists(
        st.fixed_dictionaries(
            {"role": st.sampled_from(["user", "assistant"])},
            optional={
                "id": st.none() | st.sampled_from(["new-1", "new-2"]),
                "content": st.sampled_from([None, "", "Hello", 'snow \u2603 "quoted"']),
                "tool_calls": st.sampled_from([None, [], [{"id": "c"}]]),
                "function_call": st.none() | st.just({"name": "f"}),
                "duration_ms": COUNTS,
                "unknown": st.just({"x": [1]}),
            },
        ),
        min_size=1,
        max_size=3,
    ).map(json.dumps),
    "output_data": st.none() | DOCUMENTS.filter(lambda value: value is not None).map(json.dumps),
}


@pytest.fixture(scope="module")
def first(seeded_database_url_for_module: str) -> Iterator[Connection]:
    with connected(seeded_database_url_for_module) as found:
        found.execute(REVIEWS)
        found.commit()
        yield found


@pytest.fixture(scope="module")
def latest(releases: ReleaseDatabases) -> Iterator[Connection]:
    url = releases.fresh(LATEST, seeded=True, ours=True)
    with connected(url) as found:
        yield found
    releases.drop(url)


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    with psycopg.connect(url) as found:
        found.execute("SET search_path TO platform, public")
        found.commit()
        yield found


@pytest.fixture
def connection(request: pytest.FixtureRequest, name: str) -> Connection:
    """Return one to a database that has the tables of a statement."""
    modules = {module.rpartition(".")[2] for module in ON_FIRST_TABLES}
    fixture = "first" if name.partition(".")[0] in modules else "latest"
    found: Connection = request.getfixturevalue(fixture)
    return found


def values_of(connection: Connection, statement: str, name: str) -> st.SearchStrategy[str | None]:
    """Return what a text parameter may be: often something that there is."""
    chosen = OF_STATEMENT.get((statement, name))
    if chosen is not None:
        return chosen
    if name in TEXTS:
        return TEXTS[name]
    if name == "input_data":  # a document that is sent as text
        return st.none() | DOCUMENTS.map(json.dumps)
    if name in IDS:
        known = [found for (found,) in connection.execute(IDS[name].encode())]
        assert known, f"the seeded tables have no {name}"
        return st.sampled_from([*known, *known, "missing"])
    return NAMES


def tables_of(merged: Merged) -> list[str]:
    return sorted(set(re.findall(r'platform\."(\w+)"(?!\[)', merged.single + merged.batch)))


def rows_of(connection: Connection, merged: Merged) -> list[tuple[str, Any]]:
    """Return the rows of what a statement names that are tables (enums are types)."""
    found = []
    for table in tables_of(merged):
        if connection.execute("SELECT to_regclass(%s)", [f'"{table}"']).fetchone() != (None,):
            # As text, a JSON null is not a missing value; as JSON they look alike.
            rows = connection.execute(
                f"""SELECT to_jsonb(one), one::text ~ '[(,]null[,)]'
                      FROM "{table}" AS one""".encode()
            )
            found += [(table, [row, null]) for row, null in rows]
    return found


class Comparable:
    """Values without what no two runs have in common: new ids, and the present."""

    def __init__(self, known: object) -> None:
        self._known = set(re.findall(r"[\w-]{20,}", json.dumps(known, default=str)))

    def __call__(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self(each) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return [self(each) for each in value]
        if not isinstance(value, str):
            return value
        try:
            moment = dt.datetime.fromisoformat(value).replace(tzinfo=dt.UTC)
        except ValueError:
            new = re.fullmatch(r"[0-9a-f-]{36}", value) and value not in self._known
            return "new" if new else value
        recent = abs(dt.datetime.now(dt.UTC) - moment) < dt.timedelta(hours=1)
        return "now" if recent else value


def outcome(connection: Connection, merged: Merged, calls: list[dict[str, Any]], *, together: bool
            ) -> tuple[list[Any], list[tuple[str, Any]]] | None:  # fmt: skip
    """Return the calls' documents and what the tables hold then; None where one fails."""
    try:
        with connection.transaction(force_rollback=True):
            if together:
                cursor = connection.execute(merged.batch.encode(), {"calls": merged.encode(calls)})
                rows = cursor.fetchall() if cursor.description else []
                by_place: dict[int, Any] = dict(iter(rows))
                assert len(by_place) == len(rows), "a call has one document"
                documents = [by_place.get(place) for place in range(len(calls))]
            else:
                documents = []
                for call in calls:
                    row = connection.execute(merged.single.encode(), call).fetchone()
                    documents.append(row[0] if row is not None else None)
            return documents, rows_of(connection, merged)
    except (psycopg.Error, ValueError):
        return None


def test_there_are_some() -> None:
    assert len(MERGED) >= 8, sorted(MERGED)


@pytest.mark.parametrize("name", sorted(MERGED))
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_for_one_call_and_for_many_a_statement_does_and_returns_the_same(
    connection: Connection, name: str, data: st.DataObject
) -> None:
    merged = MERGED[name]
    call = st.fixed_dictionaries(
        {text: values_of(connection, name, text) for text in merged.texts}
        | {
            document: OPTIONAL.get(document, DOCUMENTS.map(json.dumps))
            for document in merged.documents
        }
    )
    calls = data.draw(st.lists(call, min_size=1, max_size=6))
    if merged.key and not merged.shares:  # as `Merger` puts a batch together
        calls = list({tuple(each[part] for part in merged.key): each for each in calls}.values())
        calls.sort(key=lambda each: tuple(each[part] for part in merged.key))
    comparable = Comparable(rows_of(connection, merged))
    alone = comparable(outcome(connection, merged, calls, together=False))
    together = comparable(outcome(connection, merged, calls, together=True))
    connection.rollback()
    if alone is None or together is None:
        assert alone == together, "one of the calls is to blame in either form"
        return
    assert together[0] == alone[0]
    assert sorted(map(str, together[1])) == sorted(map(str, alone[1]))


@pytest.mark.parametrize("name", sorted(MERGED))
def test_a_batch_is_planned_for_few_calls(connection: Connection, name: str) -> None:
    merged = MERGED[name]
    calls = merged.encode([dict.fromkeys((*merged.texts, *merged.documents))])
    cursor = connection.execute(b"EXPLAIN (FORMAT json) " + merged.batch.encode(), {"calls": calls})
    ((plan,),) = cursor.fetchall()
    connection.rollback()
    expected = [
        each["Plan Rows"]
        for each in nodes_of(plan[0]["Plan"])
        if each.get("Function Name") in {"json_to_recordset", "jsonb_to_recordset"}
        and each["Alias"].startswith("call")
    ]
    assert expected == [1], "each call is looked for by an index"


def nodes_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes_of(below)
