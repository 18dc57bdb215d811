"""Sample calls of the methods for notifications."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.sample_calls.roles import ENDPOINT, NOTIFICATION, USER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.sample_calls import Arguments

BATCH = {"user_id": USER, "notification_type": "AGENT_RUN"}
EVENT = {"user_id": USER, "type": "AGENT_RUN", "data": {"agent_name": "x"}}

SUBSCRIPTION = {"user_id": USER, "endpoint": ENDPOINT}

CALLS: Mapping[str, list[Arguments]] = {
    "cleanup_failed_push_subscriptions": [{"max_failures": 5}],
    "clear_all_user_notification_batches": [{"user_id": USER}],
    "create_or_add_to_user_notification_batch": [{**BATCH, "notification_data": EVENT}],
    "delete_push_subscription": [SUBSCRIPTION],
    "empty_user_notification_batch": [BATCH],
    "get_all_batches_by_type": [{"notification_type": "WEEKLY_SUMMARY"}],
    "get_user_notification_batch": [BATCH],
    "get_user_notification_oldest_message_in_batch": [BATCH],
    "get_user_push_subscriptions": [{"user_id": USER}],
    "increment_push_fail_count": [SUBSCRIPTION],
    "remove_notifications_from_batch": [{**BATCH, "notification_ids": [NOTIFICATION, "none"]}],
}
