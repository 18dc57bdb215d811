"""Experts, who run a user's agents."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from autogpt_db.models.executions import AgentExecutionStatus
from autogpt_db.models.marks import Moment


class ExpertWorkflow(TypedDict):
    """An agent that an expert runs, and when."""

    id: str
    store_listing_version_id: str | None
    library_agent_id: str | None
    graph_id: str | None
    name: str | None
    description: str | None
    schedule_cron: NotRequired[str | None]
    schedule_id: NotRequired[str | None]


class Expert(TypedDict):
    """An expert: who it is, what it runs, and what it may spend, in credits.

    Until AutoGPT v0.7.0 it has neither a voice nor a budget, until v0.7.1 no color and no pod.
    """

    id: str
    name: str
    avatar_url: str | None
    color: NotRequired[str]
    role: str
    tagline: str | None
    bio: str | None
    skills: list[str]
    identity: str
    voice_preferences: NotRequired[str]
    voice_samples: list[dict[str, Any]]
    boundaries: NotRequired[str]
    protected_soul_rules: list[str]
    is_template: bool
    source_template_id: str | None
    is_archived: bool
    workflows: list[ExpertWorkflow]
    last_run_at: NotRequired[Moment | None]
    last_run_status: NotRequired[AgentExecutionStatus | None]
    weekly_budget: NotRequired[int | None]
    weekly_spend: NotRequired[int]
    schedules_paused_at: NotRequired[Moment | None]
    pod_id: NotRequired[str | None]
