"""Users, and what they want to be told."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypedDict

from autogpt_db.models.marks import Content, Moment, Secret


class AutoTopUpConfig(TypedDict):
    """When a balance is topped up, and by how much; in credits."""

    amount: int
    threshold: int


class User(TypedDict):
    """A user."""

    id: str
    email: Annotated[str, Content()]
    email_verified: bool
    name: Annotated[str | None, Content()]
    created_at: Moment
    updated_at: Moment
    metadata: Annotated[dict[str, Any], Content()]
    integrations: Annotated[str, Secret()]
    stripe_customer_id: Annotated[str | None, Secret()]
    top_up_config: AutoTopUpConfig | None
    max_emails_per_day: int
    notify_on_agent_run: NotRequired[bool]
    notify_on_zero_balance: NotRequired[bool]
    notify_on_low_balance: NotRequired[bool]
    notify_on_block_execution_failed: NotRequired[bool]
    notify_on_continuous_agent_error: NotRequired[bool]
    notify_on_daily_summary: NotRequired[bool]
    notify_on_weekly_summary: NotRequired[bool]
    notify_on_monthly_summary: NotRequired[bool]
    timezone: str
    subscription_tier: NotRequired[str]


class AuthUserFlagFields(TypedDict):
    """What feature flags go by, of who signs in."""

    role: str | None
    email: str | None
    created_at: Moment | None


class NotificationPreference(TypedDict):
    """Where and about what a user wants to be notified."""

    user_id: str
    email: Annotated[str, Content()]
    preferences: dict[str, bool]
    daily_limit: int
    emails_sent_today: int
    last_reset_date: str
