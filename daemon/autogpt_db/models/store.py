"""The marketplace."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from autogpt_db.models.marks import Moment
from autogpt_db.models.pages import Pagination


class ChangelogEntry(TypedDict):
    """What a version of a listing has changed."""

    version: str
    changes_summary: str
    date: Moment


class StoreAgent(TypedDict):
    """An agent in the marketplace's list."""

    slug: str
    agent_name: str
    agent_image: str
    creator: str
    creator_avatar: str
    sub_heading: str
    description: str
    runs: int
    rating: float
    agent_graph_id: str


class StoreAgentsResponse(TypedDict):
    """A page of the marketplace's list."""

    agents: list[StoreAgent]
    pagination: Pagination


class StoreAgentDetails(TypedDict):
    """All that the marketplace tells of an agent."""

    store_listing_version_id: str
    slug: str
    agent_name: str
    agent_video: str
    agent_output_demo: str
    agent_image: list[str]
    creator: str
    creator_avatar: str
    sub_heading: str
    description: str
    instructions: str | None
    categories: list[str]
    runs: int
    rating: float
    versions: list[str]
    agentGraphVersions: list[str]
    agentGraphId: str
    last_updated: Moment
    recommended_schedule_cron: str | None
    active_version_id: str | None
    has_approved_version: bool
    changelog: list[ChangelogEntry] | None
    graph_id: NotRequired[str]
    graph_versions: NotRequired[list[str]]
    owning_org_id: NotRequired[str | None]
