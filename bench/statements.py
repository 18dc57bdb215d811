"""The daemon's own statements, which pgbench and plain Starlette run, too."""

from __future__ import annotations

from autogpt_db.operations import (
    graph_documents,
    graph_executions,
    key_values,
    node_execution_changes,
    node_execution_inputs,
    node_executions,
)

# ruff: noqa: SLF001 - the very statements, wherever they stand

NODE = graph_documents.NODE.single
NODE_EXECUTION = node_executions.BY_ID.single
GRAPH_EXECUTION = graph_executions._OF_USER
GRAPH_EXECUTION_WITH_NODES = graph_executions._OF_USER_WITH_NODES
ADD_OUTPUT = node_execution_changes._ADD_OUTPUT.single
UPDATE_STATUS = node_execution_changes._UPDATE.single
FILL_ONE = node_execution_inputs._FILL_ONE
FILL_OLDEST_OR_NEW = node_execution_inputs._FILL_OLDEST_OR_NEW.single
GET_VALUE = key_values._GET.single
SET_VALUE = key_values._SET.single
