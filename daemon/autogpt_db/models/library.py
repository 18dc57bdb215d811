"""Users' libraries of agents."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from autogpt_db.models.graphs import GraphSettings, GraphTriggerInfo
from autogpt_db.models.marks import Moment
from autogpt_db.models.pages import Pagination

LibraryAgentStatus = Literal[
    "COMPLETED",
    "HEALTHY",
    "WAITING",
    "ERROR",
]
"""How an agent's executions have gone lately."""

LibraryAgentSort = Literal[
    "createdAt",
    "updatedAt",
    "lastRunAt",
]
"""What a list of library agents is ordered by."""


class RecentExecution(TypedDict):
    """How a recent execution of an agent went."""

    status: str
    correctness_score: float | None
    activity_summary: str | None


class LibraryAgentReference(TypedDict):
    """An agent in a user's library, in short."""

    id: str
    graph_id: str
    name: str


class LibraryAgentSummary(TypedDict):
    """An agent in a folder of a user's library, in short."""

    id: str
    name: str
    description: str


class LibraryFolder(TypedDict):
    """A folder of a user's library."""

    id: str
    user_id: str
    name: str
    icon: str | None
    color: str | None
    parent_id: str | None
    created_at: Moment
    updated_at: Moment
    agent_count: int
    subfolder_count: int


class LibraryFolderTree(LibraryFolder):
    """A folder of a user's library with those below it."""

    children: list[LibraryFolderTree]


class MarketplaceListingCreator(TypedDict):
    """Who offers an agent in the marketplace."""

    name: str
    id: str
    slug: str


class MarketplaceListing(TypedDict):
    """Where an agent stands in the marketplace."""

    id: str
    name: str
    slug: str
    creator: MarketplaceListingCreator


class LibraryAgent(TypedDict):
    """An agent in a user's library."""

    id: str
    graph_id: str
    graph_version: int
    owner_user_id: str
    image_url: str | None
    creator_name: str
    creator_image_url: str
    status: LibraryAgentStatus
    created_at: Moment
    updated_at: Moment
    name: str
    description: str
    instructions: str | None
    input_schema: dict[str, Any]
    output_schema: dict[str, Any]
    credentials_input_schema: dict[str, Any] | None
    has_external_trigger: bool
    has_human_in_the_loop: bool
    has_sensitive_action: bool
    trigger_setup_info: GraphTriggerInfo | None
    new_output: bool
    execution_count: int
    success_rate: float | None
    avg_correctness_score: float | None
    recent_executions: list[RecentExecution]
    can_access_graph: bool
    is_latest_version: bool
    is_favorite: bool
    recommended_schedule_cron: str | None
    settings: GraphSettings
    marketplace_listing: MarketplaceListing | None
    folder_id: NotRequired[str | None]
    folder_name: NotRequired[str | None]
    is_hidden: NotRequired[bool]
    is_scheduled: NotRequired[bool]
    next_scheduled_run: NotRequired[str | None]
    last_run_at: NotRequired[str | None]
    store_listing_version_id: NotRequired[str | None]


class LibraryAgentResponse(TypedDict):
    """A page of a user's library."""

    agents: list[LibraryAgent]
    pagination: Pagination
