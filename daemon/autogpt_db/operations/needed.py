"""What the methods together need of a database, and which of them AutoGPT cannot run without."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from autogpt_db.database.schema import Needed
from autogpt_db.operations.discovery import load_operations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autogpt_db.database.capabilities import Capabilities
    from autogpt_db.database.needs import Needs
    from autogpt_db.signatures.registry import Operation

RUN_PATH = frozenset(
    {
        "cancel_pending_reviews_for_execution",
        "check_approval",
        "create_graph_execution",
        "get_child_graph_executions",
        "get_credits",
        "get_execution_kv_data",
        "get_graph",
        "get_graph_execution",
        "get_graph_execution_meta",
        "get_graph_executions_count",
        "get_graph_metadata",
        "get_graph_settings",
        "get_latest_node_execution",
        "get_node",
        "get_node_execution",
        "get_node_executions",
        "get_or_create_human_review",
        "get_user_by_id",
        "get_user_email_by_id",
        "get_user_integrations",
        "has_pending_reviews_for_graph_exec",
        "increment_onboarding_runs",
        "set_execution_kv_data",
        "spend_credits",
        "update_graph_execution_start_time",
        "update_graph_execution_stats",
        "update_node_execution_status",
        "update_node_execution_status_batch",
        "update_review_processed_status",
        "update_user_integrations",
        "upsert_execution_input",
        "upsert_execution_output",
        "validate_graph_execution_permissions",
    }
)
"""What every release calls to start a run, to go through it, and to stop it.

What only later releases call (an organization's credits, a workspace) is not among it: the
database of an older one doesn't have that, and its clients don't ask for it.
"""


def needed_by(operations: Mapping[str, Operation]) -> Needed:
    """Return what these methods need, by name."""

    @cache
    def of(capabilities: Capabilities) -> dict[str, Needs]:
        return {name: operation.needs(capabilities) for name, operation in operations.items()}

    spared = {table for operation in operations.values() for table in operation.spares}
    return Needed(of, RUN_PATH, spared)


@cache
def needed() -> Needed:
    """Return what all methods need."""
    return needed_by(load_operations())
