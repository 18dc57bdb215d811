"""Notifications, and the batches that they wait in."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired, TypedDict

from autogpt_db.models.marks import Default, Label, Moment, Secret

NotificationType = Literal[
    "AGENT_RUN",
    "ZERO_BALANCE",
    "LOW_BALANCE",
    "BLOCK_EXECUTION_FAILED",
    "CONTINUOUS_AGENT_ERROR",
    "DAILY_SUMMARY",
    "WEEKLY_SUMMARY",
    "MONTHLY_SUMMARY",
    "REFUND_REQUEST",
    "REFUND_PROCESSED",
    "AGENT_APPROVED",
    "AGENT_REJECTED",
]
"""What a notification is about."""

BaseNotificationData = dict[str, Any]
"""What a notification tells, by its type."""


class NotificationEventModel(TypedDict):
    """A notification on its way."""

    type: Annotated[NotificationType, Label(any_case=True)]
    user_id: str
    created_at: NotRequired[Annotated[Moment | None, Default(None)]]
    id: NotRequired[Annotated[str | None, Default(None)]]
    data: BaseNotificationData


class UserNotificationEventDTO(TypedDict):
    """One notification of a batch."""

    id: str
    type: NotificationType
    data: dict[str, Any]
    created_at: Moment
    updated_at: Moment


class UserNotificationBatchDTO(TypedDict):
    """What a user is to be told of in one message."""

    user_id: str
    type: NotificationType
    notifications: list[UserNotificationEventDTO]
    created_at: Moment
    updated_at: Moment


class PushSubscriptionDTO(TypedDict):
    """Where a browser takes pushed messages, and the keys that these are encrypted with."""

    user_id: str
    endpoint: Annotated[str, Secret()]
    p256dh: Annotated[str, Secret()]
    auth: Annotated[str, Secret()]
