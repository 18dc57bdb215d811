"""What AutoGPT's processes of v0.6.68 call is served on their database, but for what is named here.

By what each process does there: the graph executor's runs and nodes, the scheduler's schedules and
chores, the notification service's e-mails.
"""

from __future__ import annotations

import pytest

from autogpt_db.database.releases import RELEASES, find, methods_of
from autogpt_db.operations.coverage import coverage, first_release_with
from autogpt_db.operations.needed import RUN_PATH

RELEASE = find("0.6.68")

STARTS_OF_RUNS = {
    "create_graph_execution",
    "get_graph",
    "get_graph_execution",
    "get_graph_settings",
    "get_or_create_workspace",
    "get_user_by_id",
    "get_user_credentials",
    "get_user_default_team",
    "increment_onboarding_runs",
    "update_graph_execution_stats",
    "update_node_execution_status_batch",
    "validate_graph_execution_permissions",
}
PUSH = {"delete_push_subscription", "get_user_push_subscriptions", "increment_push_fail_count"}
FILES = {
    "count_workspace_files",
    "create_workspace_file",
    "get_or_create_workspace",
    "get_workspace_file",
    "get_workspace_file_by_path",
    "get_workspace_total_size",
    "list_workspace_files",
    "soft_delete_workspace_file",
}
EXECUTOR = {
    *RUN_PATH,
    *STARTS_OF_RUNS,
    *FILES,
    *PUSH,
    "add_store_agent_to_library",
    "get_connected_output_nodes",
    "get_execution_outputs_by_node_exec_id",
    "get_org_credits",
    "get_personal_org_owner",
    "get_store_agent_details",
    "get_store_agents",
    "list_library_agents",
    "log_platform_cost",
    "set_user_credentials",
    "spend_org_credits",
}
CHATS = {
    "add_chat_message",
    "count_chat_sessions_by_status",
    "create_chat_session",
    "get_chat_messages_paginated",
    "get_user_chat_sessions",
    "update_chat_session_status",
}
"""What the scheduler's copilot turns and its nightly chats call."""
SCHEDULER = {
    *STARTS_OF_RUNS,
    *CHATS,
    "backfill_missing_embeddings",
    "cleanup_expired_oauth_tokens",
    "cleanup_expired_platform_link_tokens",
    "cleanup_failed_push_subscriptions",
    "cleanup_orphaned_embeddings",
    "get_accuracy_trends_and_alerts",
    "get_block_error_stats",
    "get_blocks_needing_optimization",
    "get_embedding_stats",
    "get_graph_executions",
    "get_graph_metadata",
    "get_marketplace_graphs_for_monitoring",
    "get_node_executions",
    "reconcile_all_stripe_tiers",
    "update_block_optimized_description",
}
NOTIFICATIONS = {
    "clear_all_user_notification_batches",
    "create_or_add_to_user_notification_batch",
    "empty_user_notification_batch",
    "get_active_user_ids_in_timerange",
    "get_all_batches_by_type",
    "get_user_email_by_id",
    "get_user_email_verification",
    "get_user_execution_summary_data",
    "get_user_notification_batch",
    "get_user_notification_oldest_message_in_batch",
    "get_user_notification_preference",
    "remove_notifications_from_batch",
}

PASSED_ON = {"reconcile_all_stripe_tiers"}
"""What is left to AutoGPT's own service on purpose."""


@pytest.mark.parametrize("calls", [EXECUTOR, SCHEDULER, NOTIFICATIONS])
def test_what_a_process_calls_is_served(calls: set[str]) -> None:
    assert RELEASE is not None
    assert calls <= set(methods_of(RELEASE)), "that release has no such method"
    found = coverage(RELEASE)
    passed_on = {method for method in calls if found[method] != "served"}
    assert passed_on == calls & PASSED_ON


def test_the_first_release_of_a_methods_tables_is_told() -> None:
    assert first_release_with("get_node") == RELEASES[0]
    assert first_release_with("resolve_default_tenancy") == find("0.6.67")
