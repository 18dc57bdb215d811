"""Every statement of every operation goes by an index, on a database as large as they get.

The rows are those of `bench/data.py` at a hundredth, with users and graphs at full size and the
statistics of a full-size database: 2 million node executions, 4 million input and output rows,
100,000 graph executions. Plans are taken where they are run, by auto_explain.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from bench.data import NODES_PER_GRAPH, identifier
from cryptography.fernet import Fernet

import plans
from autogpt_db.settings import CreditsSettings, IntegrationsSettings, Secret
from plans import ROWS, SIZE, Plans
from postgres_server import clone, unique_name
from service import SERVED, Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from postgres_server import PostgresServer

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
    return identifier(f"u{_execution(n) % SIZE.users}")


def graph(n: int) -> str:
    return identifier(f"g{_execution(n) % SIZE.graphs}")


def node(n: int) -> str:
    return identifier(f"a{_execution(n) % SIZE.graphs * NODES_PER_GRAPH + 3}")


_DAY = datetime.now(UTC) - timedelta(days=10)
BEGIN, END = _DAY.isoformat(), (_DAY + timedelta(days=1)).isoformat()
CREATED = {"created_time_gte": BEGIN, "created_time_lte": END}
RANGE = {"start_time": BEGIN, "end_time": END}
BATCH = {"notification_type": "AGENT_RUN"}
EVENT = {"type": "AGENT_RUN", "data": {"agent_name": "x"}}
Arguments = dict[str, Any]

# Of each method, ways to call it; the number tells calls that come in together apart. What by
# contract reads a whole table, a list without any filter, is not here.
CALLS: dict[str, list[Callable[[int], Arguments]]] = {
    "add_store_agent_to_library": [
        lambda n: {"store_listing_version_id": identifier("sv"), "user_id": user(n)}
    ],
    "backfill_missing_embeddings": [lambda _n: {}],
    "cancel_pending_reviews_for_execution": [
        lambda n: {"graph_exec_id": execution(n), "user_id": user(n)}
    ],
    "check_approval": [
        lambda n: {
            "node_exec_id": node_execution(n),
            "graph_exec_id": execution(n),
            "node_id": node(n),
            "user_id": user(n),
        }
    ],
    "cleanup_expired_oauth_tokens": [lambda _n: {}],
    "cleanup_orphaned_embeddings": [lambda _n: {}],
    "clear_all_user_notification_batches": [lambda n: {"user_id": user(n + 20)}],
    "create_graph_execution": [
        lambda n: {
            "graph_id": graph(n),
            "graph_version": 1,
            "starting_nodes_input": [[node(n), {"text": "x", "more": n}]],
            "inputs": {"a": 1},
            "user_id": user(n),
            "parent_graph_exec_id": execution(n),
        }
    ],
    "create_or_add_to_user_notification_batch": [
        lambda n: {"user_id": user(n), **BATCH, "notification_data": EVENT | {"user_id": user(n)}}
    ],
    "empty_user_notification_batch": [lambda n: {"user_id": user(n + 10), **BATCH}],
    "get_accuracy_trends_and_alerts": [
        lambda n: {"graph_id": graph(n)},
        lambda n: {"graph_id": graph(n), "user_id": user(n), "include_historical": True},
    ],
    "get_active_user_ids_in_timerange": [lambda _n: RANGE],
    "get_all_batches_by_type": [lambda _n: {"notification_type": "WEEKLY_SUMMARY"}],
    "get_block_error_stats": [lambda _n: RANGE],
    "get_child_graph_executions": [lambda n: {"parent_exec_id": execution(n)}],
    "get_connected_output_nodes": [lambda n: {"node_id": node(n)}],
    "get_credits": [lambda n: {"user_id": user(n)}],
    "get_embedding_stats": [lambda _n: {}],
    "get_execution_kv_data": [lambda n: {"user_id": user(n), "key": f"key-{_execution(n)}"}],
    "get_execution_outputs_by_node_exec_id": [lambda n: {"node_exec_id": node_execution(n)}],
    "get_frequently_executed_graphs": [lambda _n: {"days_back": 1}],
    "get_graph": [
        lambda n: {"graph_id": graph(n), "version": None, "user_id": user(n)},
        lambda n: {"graph_id": graph(n), "version": 1, "user_id": user(n), "for_export": True},
        lambda n: {
            "graph_id": graph(n),
            "version": None,
            "user_id": user(n),
            "organization_id": "o",
        },
        lambda n: {"graph_id": graph(n), "version": None, "user_id": None, "team_id": "t"},
    ],
    "get_graph_execution": [
        lambda n: {"user_id": user(n), "execution_id": execution(n)},
        lambda n: {
            "user_id": user(n),
            "execution_id": execution(n),
            "include_node_executions": True,
        },
        lambda n: {"user_id": user(n), "execution_id": execution(n), "organization_id": "o"},
    ],
    "get_graph_execution_meta": [
        lambda n: {"user_id": user(n), "execution_id": execution(n)},
        lambda n: {"user_id": user(n), "execution_id": execution(n), "organization_id": "o"},
    ],
    "get_graph_executions": [
        lambda n: {"execution_ids": [execution(n), execution(n + 1)]},
        lambda n: {"execution_ids": [execution(n)], "limit": 10, "order_direction": "asc"},
        lambda n: {"user_id": user(n), "order_by": "startedAt", "limit": 10, "offset": 5},
        lambda n: {"user_id": user(n), "order_direction": "asc", "limit": 10},
        lambda n: {"user_id": user(n), "started_time_gte": "2025-10-01T00:00:00Z"},
        lambda _n: {"team_id": "team"},
        lambda n: {"graph_exec_id": execution(n)},
        lambda n: {"graph_id": graph(n), "graph_version": 1},
        lambda n: {"graph_id": graph(n), "limit": -3},
        lambda n: {"graph_id": graph(n), "user_id": user(n), "limit": 10},
        lambda n: {"user_id": user(n)},
        lambda n: {"user_id": user(n), "limit": 10},
        lambda n: {"user_id": user(n), "limit": -10},
        lambda _n: CREATED,
        lambda _n: {"statuses": ["QUEUED"], **CREATED, "limit": 1000},
        lambda _n: {"limit": 10},
    ],
    "get_graph_executions_count": [
        lambda n: {"user_id": user(n), "graph_id": graph(n)},
        lambda n: {"user_id": user(n), "statuses": ["RUNNING"], **CREATED},
        lambda n: {"graph_id": graph(n)},
        lambda n: {"user_id": user(n), "updated_time_gte": "2025-10-01T00:00:00Z"},
        lambda _n: CREATED,
    ],
    "get_graph_metadata": [lambda n: {"graph_id": graph(n)}],
    "get_graph_settings": [lambda n: {"user_id": user(n), "graph_id": graph(n)}],
    "get_latest_node_execution": [lambda n: {"node_id": node(n), "graph_eid": execution(n)}],
    "get_marketplace_graphs_for_monitoring": [lambda _n: {}],
    "get_node": [lambda n: {"node_id": node(n)}],
    "get_node_execution": [lambda n: {"node_exec_id": node_execution(n)}],
    "get_node_executions": [
        lambda n: {"graph_exec_id": execution(n)},
        lambda n: {"graph_exec_id": execution(n), "include_exec_data": False, "limit": 5},
        lambda n: {"graph_exec_id": execution(n), "node_id": node(n), "limit": -1},
        lambda n: {"graph_exec_id": execution(n), "statuses": ["COMPLETED"]},
        lambda n: {"graph_exec_id": execution(n), "block_ids": ["x"]},
        lambda n: {"node_id": node(n), "statuses": ["FAILED"]},
        lambda _n: {**CREATED, "statuses": ["FAILED"], "limit": 3, "include_exec_data": False},
    ],
    "get_or_create_human_review": [
        lambda n: {
            "user_id": user(n),
            "node_exec_id": f"review-{n}",
            "graph_exec_id": execution(n),
            "graph_id": graph(n),
            "graph_version": 1,
            "input_data": {"a": 1},
            "message": "?",
            "editable": True,
        }
    ],
    "get_store_agent_details": [lambda _n: {"username": "zero", "agent_name": "graph-0"}],
    "get_store_agents": [
        lambda _n: {},
        lambda _n: {"creators": ["zero"], "sorted_by": "runs"},
        lambda _n: {"search_query": "graph"},
    ],
    "get_user_by_id": [lambda n: {"user_id": user(n)}],
    "get_user_email_by_id": [lambda n: {"user_id": user(n)}],
    "get_user_email_verification": [lambda n: {"user_id": user(n)}],
    "get_user_execution_summary_data": [lambda n: {"user_id": user(n), **RANGE}],
    "get_user_integrations": [lambda n: {"user_id": user(n)}],
    "get_user_notification_batch": [lambda n: {"user_id": user(n), **BATCH}],
    "get_user_notification_oldest_message_in_batch": [lambda n: {"user_id": user(n), **BATCH}],
    "get_user_notification_preference": [lambda n: {"user_id": user(n)}],
    "has_pending_reviews_for_graph_exec": [lambda n: {"graph_exec_id": execution(n)}],
    "increment_onboarding_runs": [lambda n: {"user_id": user(n)}],
    "list_library_agents": [
        lambda n: {"user_id": user(n), "include_executions": True},
        lambda n: {"user_id": user(n), "search_term": "graph"},
        lambda n: {
            "user_id": user(n),
            "folder_id": "f",
            "organization_id": "o",
            "is_hidden": False,
            "include_nodes": True,
        },
    ],
    "remove_notifications_from_batch": [
        lambda n: {"user_id": user(n), **BATCH, "notification_ids": [identifier(f"v{n}"), "x"]}
    ],
    "set_execution_kv_data": [
        lambda n: {
            "user_id": user(n),
            "node_exec_id": node_execution(n),
            "key": f"key-{_execution(n)}",
            "data": [n],
        }
    ],
    "spend_credits": [
        lambda n: {"user_id": user(n), "cost": 1, "metadata": {"graph_exec_id": execution(n)}}
    ],
    "update_graph_execution_start_time": [lambda n: {"graph_exec_id": execution(n)}],
    "update_graph_execution_stats": [
        lambda n: {"graph_exec_id": execution(n), "status": "COMPLETED", "stats": {"cost": n}}
    ],
    "update_node_execution_status": [
        lambda n: {"node_exec_id": node_execution(n), "status": "RUNNING"},
        lambda n: {
            "node_exec_id": node_execution(n),
            "status": "QUEUED",
            "execution_data": {"text": "x"},
            "stats": {"walltime": 1},
        },
    ],
    "update_node_execution_status_batch": [
        lambda n: {"node_exec_ids": [node_execution(n), "none"], "status": "FAILED"}
    ],
    "update_review_processed_status": [
        lambda n: {"node_exec_id": node_execution(n), "processed": True}
    ],
    "update_user_integrations": [lambda n: {"user_id": user(n), "data": {}}],
    "upsert_execution_input": [
        lambda n: {
            "node_id": node(n),
            "graph_exec_id": execution(n),
            "input_name": "text",
            "input_data": {"a": n},
        }
    ],
    "upsert_execution_output": [
        lambda n: {"node_exec_id": node_execution(n), "output_name": "o", "output_data": n}
    ],
    "validate_graph_execution_permissions": [
        lambda _n: {"user_id": identifier("u0"), "graph_id": identifier("g0"), "graph_version": 1}
    ],
}


@pytest.fixture(scope="module")
def large_template(postgres_server: PostgresServer, migrated_template: str) -> str:
    name = unique_name("large")
    plans.make(clone(postgres_server, migrated_template, name))
    return name


@pytest.fixture(scope="module", params=["custom", "generic"])
def large(
    request: pytest.FixtureRequest, postgres_server: PostgresServer, large_template: str
) -> Iterator[tuple[Service, Plans]]:
    """Yield operations on the database and the plans they lead to, of either kind."""
    url = clone(postgres_server, large_template, unique_name("plans"))
    plans.explain_everything(url, generic=request.param == "generic")
    sections: dict[str, Any] = {
        "credits": CreditsSettings(enabled=True),
        "integrations": IntegrationsSettings(encryption_key=Secret(Fernet.generate_key().decode())),
    }
    with Service(url, **sections) as service:
        yield service, Plans(postgres_server.directory / "log")


def test_every_operation_is_called() -> None:
    assert sorted(CALLS) == sorted(SERVED), (
        "Give each operation's calls in CALLS, so that its plans are looked at."
    )


@pytest.mark.parametrize("method", sorted(CALLS))
def test_an_operation_goes_by_indexes(large: tuple[Service, Plans], method: str) -> None:
    service, logged = large
    if method in NEED_VECTOR and not service.value("SELECT to_regtype('vector') IS NOT NULL"):
        pytest.skip("its statements need pgvector")
    logged.scans()
    for arguments in CALLS[method]:
        service.call(method, **arguments(0))
        # Merged: one goes alone, and the rest as one statement.
        answers = service.together((method, arguments(n)) for n in range(1, TOGETHER + 1))
        failures = [one for one in answers if isinstance(one, BaseException)]
        assert not failures, failures
    scans = [scan for scan in logged.scans() if scan.table in ROWS]
    sequential = [scan for scan in scans if scan.kind == "Seq Scan"]
    assert not sequential, "\n".join(map(str, sequential))
    long = [scan for scan in scans if scan.touched > MOST_TOUCHED * ROWS[scan.table]]
    assert not long, "\n".join(map(str, long))


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
