"""Sample calls of the methods for graph and node executions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.sample_calls.roles import (
    APPROVED_NODE_EXECUTION,
    BEGIN,
    BLOCK,
    END,
    ENDED_NODE_EXECUTION,
    ENDING_NODE,
    EXECUTION,
    GRAPH,
    GRAPH_VERSION,
    KEY,
    NEW_NODE_EXECUTION,
    NODE_EXECUTION,
    QUEUED_EXECUTION,
    REVIEWED_EXECUTION,
    REVIEWED_NODE_EXECUTION,
    STARTING_NODE,
    USER,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.sample_calls import Arguments

RANGE = {"start_time": BEGIN, "end_time": END}
CREATED = {"created_time_gte": BEGIN, "created_time_lte": END}

CALLS: Mapping[str, list[Arguments]] = {
    "cancel_pending_reviews_for_execution": [{"graph_exec_id": QUEUED_EXECUTION, "user_id": USER}],
    "check_approval": [
        {
            "node_exec_id": APPROVED_NODE_EXECUTION,
            "graph_exec_id": REVIEWED_EXECUTION,
            "node_id": STARTING_NODE,
            "user_id": USER,
        }
    ],
    "create_graph_execution": [
        {
            "graph_id": GRAPH,
            "graph_version": GRAPH_VERSION,
            "starting_nodes_input": [[STARTING_NODE, {"name": "text", "value": "x"}]],
            "inputs": {"text": "x"},
            "user_id": USER,
            "parent_graph_exec_id": EXECUTION,
        }
    ],
    "delete_review_by_node_exec_id": [{"node_exec_id": NODE_EXECUTION, "user_id": USER}],
    "get_accuracy_trends_and_alerts": [
        {"graph_id": GRAPH},
        {"graph_id": GRAPH, "user_id": USER, "include_historical": True},
    ],
    "get_block_error_stats": [RANGE],
    "get_child_graph_executions": [{"parent_exec_id": EXECUTION}],
    "get_execution_kv_data": [{"user_id": USER, "key": KEY}],
    "get_execution_outputs_by_node_exec_id": [{"node_exec_id": ENDED_NODE_EXECUTION}],
    "get_frequently_executed_graphs": [{"days_back": 1}],
    "get_graph_execution": [
        {"user_id": USER, "execution_id": EXECUTION},
        {"user_id": USER, "execution_id": EXECUTION, "include_node_executions": True},
        {"user_id": USER, "execution_id": EXECUTION, "organization_id": "o"},
    ],
    "get_graph_execution_meta": [
        {"user_id": USER, "execution_id": EXECUTION},
        {"user_id": USER, "execution_id": EXECUTION, "organization_id": "o"},
    ],
    "get_graph_executions": [
        {"user_id": USER, "limit": 10},
        {"execution_ids": [EXECUTION, QUEUED_EXECUTION]},
        {"execution_ids": [EXECUTION], "limit": 10, "order_direction": "asc"},
        {"user_id": USER, "order_by": "startedAt", "limit": 10, "offset": 5},
        {"user_id": USER, "order_direction": "asc", "limit": 10},
        {"user_id": USER, "started_time_gte": "2025-10-01T00:00:00Z"},
        {"team_id": "team"},
        {"graph_exec_id": EXECUTION},
        {"graph_id": GRAPH, "graph_version": GRAPH_VERSION},
        {"graph_id": GRAPH, "limit": -3},
        {"graph_id": GRAPH, "user_id": USER, "limit": 10},
        {"user_id": USER},
        {"user_id": USER, "limit": -10},
        CREATED,
        {"statuses": ["QUEUED"], **CREATED, "limit": 1000},
        {"limit": 10},
    ],
    "get_graph_executions_count": [
        {"user_id": USER, "graph_id": GRAPH},
        {"user_id": USER, "statuses": ["RUNNING"], **CREATED},
        {"graph_id": GRAPH},
        {"user_id": USER, "updated_time_gte": "2025-10-01T00:00:00Z"},
        CREATED,
    ],
    "get_latest_node_execution": [{"node_id": ENDING_NODE, "graph_eid": EXECUTION}],
    "get_marketplace_graphs_for_monitoring": [{}],
    "get_node_execution": [{"node_exec_id": ENDED_NODE_EXECUTION}],
    "get_node_executions": [
        {"graph_exec_id": EXECUTION},
        {"graph_exec_id": EXECUTION, "include_exec_data": False, "limit": 5},
        {"graph_exec_id": EXECUTION, "node_id": ENDING_NODE, "limit": -1},
        {"graph_exec_id": EXECUTION, "statuses": ["COMPLETED"]},
        {"graph_exec_id": EXECUTION, "block_ids": [BLOCK]},
        {"node_id": ENDING_NODE, "statuses": ["FAILED"]},
        {**CREATED, "statuses": ["FAILED"], "limit": 3, "include_exec_data": False},
    ],
    "get_or_create_human_review": [
        {
            "user_id": USER,
            "node_exec_id": NEW_NODE_EXECUTION,
            "graph_exec_id": QUEUED_EXECUTION,
            "graph_id": GRAPH,
            "graph_version": GRAPH_VERSION,
            "input_data": {"a": 1},
            "message": "?",
            "editable": True,
        }
    ],
    "get_pending_reviews_for_execution": [{"graph_exec_id": REVIEWED_EXECUTION, "user_id": USER}],
    "get_pending_reviews_for_user": [{"user_id": USER, "page": 1, "page_size": 2}],
    "get_reviews_by_node_exec_ids": [{"node_exec_ids": [NODE_EXECUTION, "none"], "user_id": USER}],
    "get_user_execution_summary_data": [{"user_id": USER, **RANGE}],
    "has_pending_reviews_for_graph_exec": [{"graph_exec_id": REVIEWED_EXECUTION}],
    "set_execution_kv_data": [
        {"user_id": USER, "node_exec_id": NODE_EXECUTION, "key": KEY, "data": [1]}
    ],
    "update_graph_execution_start_time": [{"graph_exec_id": QUEUED_EXECUTION}],
    "update_graph_execution_stats": [
        {"graph_exec_id": QUEUED_EXECUTION, "status": "RUNNING"},
        {"graph_exec_id": QUEUED_EXECUTION, "status": "COMPLETED", "stats": {"cost": 7}},
        {"graph_exec_id": EXECUTION, "stats": {"cost": 8}},
    ],
    "update_node_execution_status": [
        {"node_exec_id": NODE_EXECUTION, "status": "QUEUED", "execution_data": {"text": "x"}},
        {"node_exec_id": NODE_EXECUTION, "status": "RUNNING"},
        {"node_exec_id": NODE_EXECUTION, "status": "COMPLETED", "stats": {"walltime": 1}},
    ],
    "update_node_execution_status_batch": [
        {"node_exec_ids": [NODE_EXECUTION, "none"], "status": "QUEUED"}
    ],
    "update_review_processed_status": [
        {"node_exec_id": REVIEWED_NODE_EXECUTION, "processed": True}
    ],
    "upsert_execution_input": [
        {
            "node_id": ENDING_NODE,
            "graph_exec_id": EXECUTION,
            "input_name": "i",
            "input_data": {"a": 1},
        },
        {
            "node_id": STARTING_NODE,
            "graph_exec_id": EXECUTION,
            "input_name": "i",
            "input_data": 1,
            "node_exec_id": NODE_EXECUTION,
        },
    ],
    "upsert_execution_output": [
        {"node_exec_id": NODE_EXECUTION, "output_name": "o", "output_data": 1}
    ],
}
