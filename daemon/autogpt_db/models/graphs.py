"""Graphs: nodes, and links between them."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypedDict

from autogpt_db.models.marks import Content, Moment


class Link(TypedDict):
    """A link from one node's output to another's input."""

    id: str
    source_id: str
    sink_id: str
    source_name: Annotated[str, Content()]
    sink_name: Annotated[str, Content()]
    is_static: bool


class Node(TypedDict):
    """A node as graphs are written down."""

    id: str
    block_id: str
    input_default: Annotated[dict[str, Any], Content()]
    metadata: Annotated[dict[str, Any], Content()]
    input_links: list[Link]
    output_links: list[Link]


class NodeModel(Node):
    """A node as it is stored, with its graph."""

    graph_id: str
    graph_version: int
    webhook_id: str | None


class BaseGraph(TypedDict):
    """A graph as the sub-graph of another."""

    id: str
    version: int
    is_active: bool
    name: Annotated[str, Content()]
    description: Annotated[str, Content()]
    instructions: Annotated[str | None, Content()]
    recommended_schedule_cron: Annotated[str | None, Content()]
    forked_from_id: str | None
    forked_from_version: int | None
    nodes: list[Node]
    links: list[Link]


class Graph(BaseGraph):
    """A graph without whose it is."""

    sub_graphs: list[BaseGraph]


class GraphModel(TypedDict):
    """A graph as it is stored, with whose it is."""

    id: str
    version: int
    is_active: bool
    name: Annotated[str, Content()]
    description: Annotated[str, Content()]
    instructions: Annotated[str | None, Content()]
    recommended_schedule_cron: Annotated[str | None, Content()]
    forked_from_id: str | None
    forked_from_version: int | None
    user_id: str
    created_at: Moment
    nodes: list[NodeModel]
    links: list[Link]
    sub_graphs: list[BaseGraph]
    organization_id: NotRequired[str | None]
    team_id: NotRequired[str | None]


class GraphModelWithoutNodes(TypedDict):
    """A graph for those who don't see inside."""

    id: str
    version: int
    is_active: bool
    name: Annotated[str, Content()]
    description: Annotated[str, Content()]
    instructions: Annotated[str | None, Content()]
    recommended_schedule_cron: Annotated[str | None, Content()]
    forked_from_id: str | None
    forked_from_version: int | None
    user_id: str
    created_at: Moment
    organization_id: NotRequired[str | None]
    team_id: NotRequired[str | None]


class GraphTriggerInfo(TypedDict):
    """What starts a graph from outside."""

    provider: str
    config_schema: dict[str, Any]
    credentials_input_name: str | None


class GraphSettings(TypedDict):
    """What a user has chosen for a graph in the library."""

    human_in_the_loop_safe_mode: bool
    sensitive_action_safe_mode: bool
    builder_chat_session_id: NotRequired[str | None]


class BlockDescription(TypedDict):
    """What a block does."""

    id: str
    name: str
    description: str
