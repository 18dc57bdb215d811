"""Graph and node executions."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired, TypedDict

from autogpt_db.models.execution_arguments import CredentialsMetaInput
from autogpt_db.models.marks import Content, Moment, Secret

AgentExecutionStatus = Literal[
    "INCOMPLETE",
    "QUEUED",
    "RUNNING",
    "COMPLETED",
    "TERMINATED",
    "FAILED",
    "REVIEW",
]
"""Where a graph or node execution stands."""


class Stats(TypedDict):
    """What a graph execution has cost; durations in seconds, cost in credits."""

    cost: int
    duration: float
    duration_cpu_only: float
    node_exec_time: float
    node_exec_time_cpu_only: float
    node_exec_count: int
    node_error_count: int
    error: Annotated[str | None, Content()]
    activity_status: Annotated[str | None, Content()]
    correctness_score: float | None
    failure_reason: NotRequired[Annotated[str | None, Content()]]
    is_dry_run: NotRequired[bool]


class GraphExecutionMeta(TypedDict):
    """A graph execution without its outputs."""

    id: str
    user_id: str
    graph_id: str
    graph_version: int
    inputs: Annotated[dict[str, Any] | None, Content()]
    credential_inputs: Annotated[dict[str, CredentialsMetaInput] | None, Content()]
    nodes_input_masks: Annotated[dict[str, dict[str, Any]] | None, Content()]
    preset_id: str | None
    status: AgentExecutionStatus
    started_at: Moment | None
    ended_at: Moment | None
    is_shared: bool
    share_token: Annotated[str | None, Secret()]
    stats: Stats | None
    is_dry_run: NotRequired[bool]
    organization_id: NotRequired[str | None]
    team_id: NotRequired[str | None]
    expert_id: NotRequired[str | None]


class GraphExecution(TypedDict):
    """A graph execution with its outputs, by their names."""

    id: str
    user_id: str
    graph_id: str
    graph_version: int
    inputs: Annotated[dict[str, Any], Content()]
    credential_inputs: Annotated[dict[str, CredentialsMetaInput] | None, Content()]
    nodes_input_masks: Annotated[dict[str, dict[str, Any]] | None, Content()]
    preset_id: str | None
    status: AgentExecutionStatus
    started_at: Moment | None
    ended_at: Moment | None
    is_shared: bool
    share_token: Annotated[str | None, Secret()]
    stats: Stats | None
    outputs: Annotated[dict[str, list[Any]], Content()]
    is_dry_run: NotRequired[bool]
    organization_id: NotRequired[str | None]
    team_id: NotRequired[str | None]
    expert_id: NotRequired[str | None]


class GraphExecutionWithNodes(GraphExecution):
    """A graph execution with its outputs and its node executions."""

    node_executions: list[NodeExecutionResult]


class NodeExecutionResult(TypedDict):
    """A node execution: its inputs, and what it has put out so far, by name."""

    user_id: str
    graph_id: str
    graph_version: int
    graph_exec_id: str
    node_exec_id: str
    node_id: str
    block_id: str
    status: AgentExecutionStatus
    input_data: Annotated[dict[str, Any], Content()]
    output_data: Annotated[dict[str, list[Any]], Content()]
    add_time: Moment
    queue_time: Moment | None
    start_time: Moment | None
    end_time: Moment | None
