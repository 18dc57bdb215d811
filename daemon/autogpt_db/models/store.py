"""The marketplace."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypedDict

from autogpt_db.models.marks import Default, Moment
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


class UnifiedSearchWeights(TypedDict):
    """What each score of a search weighs; together they are 1."""

    semantic: NotRequired[Annotated[float, Default(0.40)]]
    lexical: NotRequired[Annotated[float, Default(0.40)]]
    category: NotRequired[Annotated[float, Default(0.10)]]
    recency: NotRequired[Annotated[float, Default(0.10)]]


class HybridSearchRow(TypedDict):
    """A result of a search; the last three are there where words could be compared.

    Its moment ends in `+00:00`, not in `Z` as all others do.
    """

    content_type: str
    content_id: str
    searchable_text: str
    metadata: dict[str, Any]
    updated_at: str
    semantic_score: float
    lexical_score: float
    category_score: float
    recency_score: float
    combined_score: float
    bm25_score: NotRequired[float]
    final_score: NotRequired[float]
    relevance: NotRequired[float]
