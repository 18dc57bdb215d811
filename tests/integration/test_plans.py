"""Every statement of every operation goes by an index, on a database as large as they get.

The rows are those of `bench/data.py` at a hundredth, with users and graphs at full size and the
statistics of a full-size database: 2 million node executions, 4 million input and output rows,
100,000 graph executions. Plans are taken where they are run, by auto_explain.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from bench.data import NODES_PER_GRAPH, PLAIN_BLOCK, identifier
from psycopg.conninfo import conninfo_to_dict
from tools.sample_calls import filled, roles, sample_calls

import plans
from admin_pages import Pages
from autogpt_db.operations import load_operations
from autogpt_db.rest import load_resources
from autogpt_db.settings import CreditsSettings, IntegrationsSettings, Secret
from plans import LATER_ROWS, ROWS, SIZE, Plans
from postgres_server import clone, unique_name
from releases.building import ENCRYPTION_KEY, LATEST
from rest_client import Rest, filled_path, links, with_query
from service import FIRST, LATER, Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tools.sample_calls import Arguments
    from tools.sample_calls.roles import Role

    from postgres_server import PostgresServer
    from releases.building import ReleaseDatabases

MOST_TOUCHED = 0.05
"""Share of a large table's rows that one scan may look at; what is asked for is less."""

NEED_VECTOR = {"backfill_missing_embeddings", "cleanup_orphaned_embeddings", "get_embedding_stats"}
TOGETHER = 6


def execution(n: int) -> str:
    """Return the n-th graph execution that has 50 node executions."""
    return identifier(f"e{_execution(n)}")


def _execution(n: int) -> int:
    return n * 10


def node_execution(n: int) -> str:
    return identifier(f"n{n * 200 + 3}")


def user(n: int) -> str:
    return identifier(f"u{_user(n)}")


def _user(n: int) -> int:
    return _execution(n) % SIZE.users


def graph(n: int) -> str:
    return identifier(f"g{_execution(n) % SIZE.graphs}")


def node(n: int) -> str:
    return identifier(f"a{_execution(n) % SIZE.graphs * NODES_PER_GRAPH + 3}")


_DAY = datetime.now(UTC) - timedelta(days=10)
BEGIN, END = _DAY.isoformat(), (_DAY + timedelta(days=1)).isoformat()
CREATED = {"created_time_gte": BEGIN, "created_time_lte": END}
RANGE = {"start_time": BEGIN, "end_time": END}
# What each role of a call stands for; the number tells calls that come in together apart.
ROLES: dict[Role, Callable[[int], Any]] = {
    roles.USER: user,
    roles.KNOWN_USER: user,
    roles.GRAPH: graph,
    roles.GRAPH_VERSION: lambda _n: 1,
    roles.NODE: node,
    roles.STARTING_NODE: node,
    roles.ENDING_NODE: node,
    roles.EXECUTION: execution,
    roles.QUEUED_EXECUTION: execution,
    roles.NODE_EXECUTION: node_execution,
    roles.ENDED_NODE_EXECUTION: node_execution,
    roles.REVIEWED_EXECUTION: execution,
    roles.REVIEWED_NODE_EXECUTION: node_execution,
    roles.APPROVED_NODE_EXECUTION: node_execution,
    roles.NEW_NODE_EXECUTION: lambda n: f"review-{n}",
    roles.KEY: lambda n: f"key-{_execution(n)}",
    roles.BLOCK: lambda _n: "x",
    roles.NOTIFICATION: lambda n: identifier(f"v{n}"),
    roles.LISTING: lambda _n: identifier("sv"),
    roles.CREATOR: lambda _n: "zero",
    roles.AGENT: lambda _n: "graph-0",
    roles.SEARCHED: lambda _n: "graph",
    roles.USER_WITHOUT_TEAM: lambda n: identifier(f"u{SIZE.users - 1 - n}"),
    roles.USER_WITHOUT_WORKSPACE: lambda n: identifier(f"u{SIZE.users - 1 - n}"),
    roles.WORKSPACE: lambda n: identifier(f"w{_user(n)}"),
    roles.FILE: lambda n: identifier(f"f{_user(n)}-3"),
    roles.FILE_PATH: lambda _n: "/3.txt",
    roles.NEW_FILE: lambda n: f"new-file-{n}",
    roles.LIBRARY_AGENT: lambda n: identifier(f"y{_user(n)}"),
    roles.PRESET: lambda n: identifier(f"ap{_user(n)}-3"),
    roles.WEBHOOK: lambda n: identifier(f"wh{_user(n)}"),
    roles.OFFERED_GRAPH: lambda _n: identifier("g0"),
    roles.FOLDER: lambda n: identifier(f"lf{_user(n)}-0"),
    roles.SPARE_FOLDER: lambda n: identifier(f"lf{_user(n)}-2"),
    roles.OTHER_FOLDER: lambda n: identifier(f"lf{_user(n)}-1"),
    roles.CREDENTIAL: lambda n: identifier(f"ic{_user(n)}-3"),
    roles.ORGANIZATION: lambda n: identifier(f"c{_user(n)}"),
    roles.TEAM: lambda n: identifier(f"tc{_user(n)}"),
    roles.PERSONAL_ORGANIZATION: lambda n: identifier(f"o{_user(n)}"),
    roles.ENDPOINT: lambda _n: "https://push.example.com/3",
    roles.DESCRIBED_BLOCK: lambda _n: PLAIN_BLOCK,
    roles.EXPERT: lambda n: identifier(f"x{_user(n)}-1"),
    roles.OWNER_WITHOUT_TEAM: lambda n: identifier(f"u{SIZE.users - 1 - n}"),
    roles.EXPERT_WITHOUT_TEAM: lambda n: identifier(f"x{SIZE.users - 1 - n}-1"),
    roles.BRIEFING: lambda n: identifier(f"ub{_user(n)}-3"),
    roles.BRIEFING_DATE: lambda _n: "2025-10-04",
    roles.LINKED_SERVER: lambda n: f"server-{_user(n)}",
    roles.LINKED_ACCOUNT: lambda n: f"account-{_user(n)}",
    roles.SERVER_LINK: lambda n: identifier(f"pl{_user(n)}"),
    roles.ACCOUNT_LINK: lambda n: identifier(f"pu{_user(n)}"),
    roles.SERVER_TOKEN: lambda n: f"server-token-{_user(n)}",
    roles.ACCOUNT_TOKEN: lambda n: f"account-token-{_user(n)}",
    roles.PENDING_TOKEN: lambda n: f"server-token-{_user(n)}",
    roles.BOT_SERVER: lambda n: f"guild-{n}",
    roles.INSTALLED_TEAM: lambda n: f"team-{n}",
    roles.CHAT_SESSION: lambda n: identifier(f"cs{_user(n)}"),
    roles.SHARED_CHAT_SESSION: lambda n: identifier(f"cs{_user(n)}"),
    roles.NEW_CHAT_SESSION: lambda n: f"new-session-{n}",
    roles.LISTED_GRAPH: lambda _n: identifier("g0"),
    roles.NEW_CHAT_MESSAGE: lambda n: f"new-message-{n}",
    roles.BEGIN: lambda _n: _DAY.isoformat(),
    roles.END: lambda _n: (_DAY + timedelta(days=1)).isoformat(),
}
# Calls that would take away what others are to find.
ELSEWHERE = {
    "empty_user_notification_batch": 10,
    "clear_all_user_notification_batches": 20,
    "confirm_server_link": 30,
}
# Whose graph the marketplace offers.
THE_FIRST = {
    "validate_graph_execution_permissions": {
        roles.USER: identifier("u0"),
        roles.GRAPH: identifier("g0"),
    }
}
_GIVEN = ("upsert_execution_input", True)
# What by contract reads a whole table, a list without any filter, is nobody's sample call. Here no
# node execution waits for an input that could be given to it by its id.
CALLS = {
    method: [each for each in calls if (method, "node_exec_id" in each) != _GIVEN]
    for method, calls in sample_calls().items()
}


def arguments_of(method: str, call: Arguments, n: int) -> dict[str, Any]:
    """Return the n-th call of a kind, about what is in the large database."""
    there = THE_FIRST.get(method, {})
    number = n + ELSEWHERE.get(method, 0)
    return filled(call, lambda role: there[role] if role in there else ROLES[role](number))


@pytest.fixture(scope="module")
def large_template(postgres_server: PostgresServer, migrated_template: str) -> str:
    name = unique_name("large")
    plans.make(clone(postgres_server, migrated_template, name))
    return name


@pytest.fixture(scope="module")
def latest_template(releases: ReleaseDatabases) -> str:
    url = releases.fresh(LATEST, ours=True)
    plans.make(url, later=True)
    return str(conninfo_to_dict(url)["dbname"])


@pytest.fixture(scope="module", params=["custom", "generic"])
def large(
    request: pytest.FixtureRequest, postgres_server: PostgresServer, large_template: str
) -> Iterator[tuple[Service, Plans]]:
    """Yield operations on the database and the plans they lead to, of either kind."""
    with explained(postgres_server, large_template, request.param) as found:
        yield found


@pytest.fixture(scope="module", params=["custom", "generic"])
def latest(
    request: pytest.FixtureRequest, postgres_server: PostgresServer, latest_template: str
) -> Iterator[tuple[Service, Plans]]:
    """Yield the same on a database of the latest release's tables."""
    with explained(postgres_server, latest_template, request.param) as found:
        yield found


@contextmanager
def explained(server: PostgresServer, template: str, kind: str) -> Iterator[tuple[Service, Plans]]:
    url = clone(server, template, unique_name("plans"))
    plans.explain_everything(url, generic=kind == "generic")
    sections: dict[str, Any] = {
        "credits": CreditsSettings(enabled=True),
        "integrations": IntegrationsSettings(encryption_key=Secret(ENCRYPTION_KEY)),
    }
    with Service(url, **sections) as service:
        yield service, Plans(server.directory / "log")


@pytest.mark.parametrize("method", sorted(FIRST))
def test_an_operation_goes_by_indexes(large: tuple[Service, Plans], method: str) -> None:
    check_scans(*large, method, ROWS)


@pytest.mark.parametrize("method", LATER)
def test_a_later_operation_goes_by_indexes(latest: tuple[Service, Plans], method: str) -> None:
    check_scans(*latest, method, ROWS | LATER_ROWS)


def check_scans(service: Service, logged: Plans, method: str, rows: Mapping[str, int]) -> None:
    """Assert that a method goes by indexes where a table has many rows."""
    if method in NEED_VECTOR and not service.value("SELECT to_regtype('vector') IS NOT NULL"):
        pytest.skip("its statements need pgvector")
    logged.scans()
    for call in CALLS[method]:
        service.call(method, **arguments_of(method, call, 0))
        # Merged: one goes alone, and the rest as one statement.
        answers = service.together(
            (method, arguments_of(method, call, n)) for n in range(1, TOGETHER + 1)
        )
        failures = [one for one in answers if isinstance(one, BaseException)]
        assert not failures, failures
    check_found(logged, rows)


def check_found(logged: Plans, rows: Mapping[str, int]) -> None:
    """Assert that what was run since the last look went by indexes."""
    scans = [scan for scan in logged.scans() if scan.table in rows]
    sequential = [scan for scan in scans if scan.kind == "Seq Scan"]
    assert not sequential, "\n".join(map(str, sequential))
    long = [scan for scan in scans if scan.touched > MOST_TOUCHED * rows[scan.table]]
    assert not long, "\n".join(map(str, long))


# What is asked of each view of REST's, on the first page and behind it.
VIEWS: dict[str, list[dict[str, Any]]] = {
    "/executions": [
        {},
        {"user_id": user(0)},
        {"graph_id": graph(0)},
        {"user_id": user(0), "graph_id": graph(0)},
        {"user_id": user(0), "statuses": "RUNNING"},
        {"statuses": "COMPLETED"},
        {"created_from": BEGIN, "created_before": END},
    ],
    "/executions/{execution_id}": [{}],
    "/executions/{execution_id}/nodes": [{}, {"statuses": "COMPLETED"}],
    "/executions/{execution_id}/reviews": [{}, {"waiting": "true"}],
    "/graphs": [{}, {"user_id": user(0)}, {"user_id": user(0), "active": "true"}],
    "/graphs/{graph_id}/versions": [{}],
    "/jobs": [{}],
    "/jobs/{job}": [{}],
    "/jobs/{job}/runs": [{}],
    "/users": [{}],
    "/users/{user_id}": [{}],
    "/users/{user_id}/balance": [{}],
    "/users/{user_id}/chats": [{}],
    "/users/{user_id}/organizations": [{}],
    "/users/{user_id}/reviews": [{}, {"waiting": "true"}],
    "/users/{user_id}/transactions": [{}],
}
RESOURCES = load_resources()
IN_PATHS = {
    "execution_id": execution(0),
    "graph_id": graph(0),
    "job": "refresh_store_views",
    "user_id": user(0),
}


def test_every_view_is_among_those_whose_plans_are_looked_at() -> None:
    methods = {operation.name for operation in load_operations().values()}
    views = {path for path, each in RESOURCES.items() if each.name not in methods}
    # What `watch` looks through is as much as its own settings say.
    assert views == VIEWS.keys() | {"/stuck-executions"}


@pytest.mark.parametrize("path", VIEWS)
def test_a_view_goes_by_indexes(latest: tuple[Service, Plans], path: str) -> None:
    service, logged = latest
    rest = Rest(service, content=True)  # which reads more
    for query in VIEWS[path]:
        logged.scans()
        where = RESOURCES[path].rest
        few = {"limit": 10} if where is not None and where.pages_by else {}
        response = rest.send("GET", f"/v1{filled_path(path, IN_PATHS)}{with_query(query | few)}")
        assert response.status_code == 200, response.text
        if "link" in response.headers and (behind := links(response).get("next")):
            response = rest.send("GET", behind)
            assert response.status_code == 200, response.text
        check_found(logged, ROWS | LATER_ROWS)


def test_the_planner_takes_the_tables_for_large_ones(large: tuple[Service, Plans]) -> None:
    service, _ = large
    (explained,) = service.rows('EXPLAIN (FORMAT json) SELECT FROM platform."AgentNodeExecution"')
    ((expected,),) = ([one["Plan"]["Plan Rows"] for one in plan] for plan in explained)
    assert expected == pytest.approx(2_000_000, rel=0.05)


def test_a_statement_without_an_index_is_found_out(large: tuple[Service, Plans]) -> None:
    service, logged = large
    for condition in ("\"stats\" ->> 'error' = 'x'", "\"endedTime\" = '2025-10-01'"):
        service.rows(f'SELECT FROM platform."AgentNodeExecution" WHERE {condition}')
        (scan,) = logged.scans()[-1:]
        assert (scan.kind, scan.table) == ("Seq Scan", "AgentNodeExecution")
        assert scan.touched > MOST_TOUCHED * ROWS[scan.table]


@pytest.mark.parametrize(
    "target",
    [
        f"/runs?user={user(0)}&days=3650",
        f"/runs?graph={graph(0)}&days=3650",
        f"/runs?user={user(0)}&graph={graph(0)}&days=3650",
        f"/runs?user={user(0)}&status=RUNNING&days=3650",
        f"/runs/{execution(0)}",
    ],
)
def test_a_page_for_people_goes_by_indexes(
    latest: tuple[Service, Plans], tmp_path: Path, target: str
) -> None:
    service, logged = latest
    pages = Pages(service, tmp_path, content=True)  # which reads more
    logged.scans()
    for _ in range(TOGETHER):  # from the sixth run on, a prepared statement may keep its plan
        assert pages.get(target).status_code == 200
    check_found(logged, ROWS | LATER_ROWS)
