"""The daemon's own statements, which pgbench and plain Starlette run, too."""

from __future__ import annotations

from dataclasses import fields

from autogpt_db.database.capabilities import Capabilities
from autogpt_db.operations.chats import (
    chat_sessions,
    message_batches,
    message_changes,
    message_page_statements,
    message_pages,
    session_status,
)
from autogpt_db.operations.credits import organizations, platform_costs
from autogpt_db.operations.executions import (
    graph_execution_changes,
    graph_executions,
    key_values,
    node_execution_changes,
    node_execution_inputs,
    node_execution_outputs,
    node_executions,
    reviews,
)
from autogpt_db.operations.graphs import graph_documents
from autogpt_db.operations.notifications import push_subscriptions
from autogpt_db.operations.users import credentials
from autogpt_db.operations.workspace import workspaces

# ruff: noqa: SLF001 - the very statements, wherever they stand

_LATER = {"last_run", "experts", "expert_runs", "pods", "onboarding_text", "stamps"}
_SCHEMA = Capabilities(
    **{each.name: each.name not in _LATER | {"live_events"} for each in fields(Capabilities)}
)
"""What the bench's database has: AutoGPT v0.6.68's schema; and nothing is recorded."""

NODE = graph_documents.NODE.single
NODE_EXECUTION = node_executions.BY_ID(_SCHEMA).single
GRAPH_EXECUTION = graph_executions._OF_USER(_SCHEMA)
GRAPH_EXECUTION_WITH_NODES = graph_executions._OF_USER_WITH_NODES(_SCHEMA)
ADD_OUTPUT = node_execution_outputs._ADD_OUTPUT.single
UPDATE_STATUS = node_execution_changes._UPDATE(_SCHEMA).single
FILL_ONE = node_execution_inputs._FILL_ONE(_SCHEMA)
FILL_OLDEST_OR_NEW = node_execution_inputs._FILL_OLDEST_OR_NEW(_SCHEMA).single
GET_VALUE = key_values._GET.single
SET_VALUE = key_values._SET.single
META = graph_executions._META_OF_USER(_SCHEMA).single
UPDATE_STATS = graph_execution_changes._UPDATE_STATS(_SCHEMA).single
HAS_PENDING = reviews.HAS_PENDING.single
SPEND = organizations.SPEND(_SCHEMA).single
LOG_COST = platform_costs.LOG(_SCHEMA).single
CREDENTIALS = credentials.ACTIVE.short.single
FIND_WORKSPACE = workspaces._FIND.single
MAKE_WORKSPACE = workspaces.MAKE
COUNT_CHATS = session_status._COUNT.single
LIST_CHATS = session_status._LIST(_SCHEMA).short.single
MOVE_CHAT = session_status._UPDATE.single
UPDATE_CHAT = chat_sessions._UPDATE(_SCHEMA).single
NEXT_SEQUENCE = message_pages._NEXT.single
ADD_MESSAGES = message_batches.ADD_BATCH(_SCHEMA).single
SET_DURATION = message_changes._SET_DURATION.single
PAGE_OF_MESSAGES = message_page_statements.WIDENED_PAGE(_SCHEMA)
PUSH_SUBSCRIPTIONS = push_subscriptions.OF_USER.short.single
