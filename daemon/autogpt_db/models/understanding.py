"""What the copilot knows about a user's business."""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict

from autogpt_db.models.marks import Default, Moment


class BusinessUnderstandingInput(TypedDict):
    """What was learned about a user's business; null is nothing new."""

    user_name: NotRequired[Annotated[str | None, Default(None)]]
    job_title: NotRequired[Annotated[str | None, Default(None)]]
    business_name: NotRequired[Annotated[str | None, Default(None)]]
    industry: NotRequired[Annotated[str | None, Default(None)]]
    business_size: NotRequired[Annotated[str | None, Default(None)]]
    user_role: NotRequired[Annotated[str | None, Default(None)]]
    key_workflows: NotRequired[Annotated[list[str] | None, Default(None)]]
    daily_activities: NotRequired[Annotated[list[str] | None, Default(None)]]
    pain_points: NotRequired[Annotated[list[str] | None, Default(None)]]
    bottlenecks: NotRequired[Annotated[list[str] | None, Default(None)]]
    manual_tasks: NotRequired[Annotated[list[str] | None, Default(None)]]
    automation_goals: NotRequired[Annotated[list[str] | None, Default(None)]]
    current_software: NotRequired[Annotated[list[str] | None, Default(None)]]
    existing_automation: NotRequired[Annotated[list[str] | None, Default(None)]]
    additional_notes: NotRequired[Annotated[str | None, Default(None)]]
    suggested_prompts: NotRequired[Annotated[dict[str, list[str]] | None, Default(None)]]


class BusinessUnderstanding(TypedDict):
    """All that is known about a user's business."""

    id: str
    user_id: str
    created_at: Moment
    updated_at: Moment
    user_name: str | None
    job_title: str | None
    business_name: str | None
    industry: str | None
    business_size: str | None
    user_role: str | None
    key_workflows: list[str]
    daily_activities: list[str]
    pain_points: list[str]
    bottlenecks: list[str]
    manual_tasks: list[str]
    automation_goals: list[str]
    current_software: list[str]
    existing_automation: list[str]
    additional_notes: str | None
    suggested_prompts: dict[str, list[str]]
