"""What goes over the wire, and how rows become it."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

from bench.peers.fastapi_app.tables import GraphExecution, Node, NodeExecution, Status
from pydantic import BaseModel, ConfigDict, ValidationError

from autogpt_db.operations.graphs.blocks import INPUT_BLOCKS, OUTPUT_BLOCKS, WEBHOOK_BLOCKS


class NodeExecutionStats(BaseModel):
    """What an executor says of a node execution; what is stored must validate to count."""

    model_config = ConfigDict(extra="allow")

    error: str | None = None
    walltime: float = 0
    cputime: float = 0
    input_size: int = 0
    output_size: int = 0
    llm_call_count: int = 0
    llm_retry_count: int = 0
    input_token_count: int = 0
    output_token_count: int = 0
    extra_cost: int = 0
    extra_steps: int = 0
    cleared_inputs: dict[str, list[str]] | None = None
    cleared_outputs: dict[str, list[str]] | None = None


class NodeExecutionResult(BaseModel):
    user_id: str
    graph_id: str
    graph_version: int
    graph_exec_id: str
    node_exec_id: str
    node_id: str
    block_id: str
    status: Status
    input_data: dict[str, Any]
    output_data: dict[str, list[Any]]
    add_time: datetime
    queue_time: datetime | None
    start_time: datetime | None
    end_time: datetime | None

    @classmethod
    def of(
        cls, row: NodeExecution, *, block_id: str | None = None, with_values: bool = True
    ) -> NodeExecutionResult:
        stats = validated_stats(row.stats)
        if stats.cleared_inputs:
            inputs = {name: (v[-1] if v else "") for name, v in stats.cleared_inputs.items()}
        elif row.execution_data:
            inputs = as_object(row.execution_data)
        else:
            inputs = {value.name: value.data for value in row.inputs} if with_values else {}
        outputs: dict[str, list[Any]] = defaultdict(list)
        if stats.cleared_outputs:
            outputs.update(stats.cleared_outputs)
        elif with_values:
            for value in row.outputs:
                outputs[value.name].append(value.data)
        execution = row.graph_execution
        return cls(
            user_id=execution.user_id,
            graph_id=execution.graph_id,
            graph_version=execution.graph_version,
            graph_exec_id=row.graph_execution_id,
            node_exec_id=row.id,
            node_id=row.node_id,
            block_id=row.node.block_id if block_id is None else block_id,
            status=row.status,
            input_data=inputs,
            output_data=outputs,
            add_time=utc(row.added_time),
            queue_time=utc(row.queued_time),
            start_time=utc(row.started_time),
            end_time=utc(row.ended_time),
        )


class LinkModel(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: str
    source_id: str
    sink_id: str
    source_name: str
    sink_name: str
    is_static: bool


class NodeModel(BaseModel):
    id: str
    block_id: str
    input_default: dict[str, Any]
    metadata: dict[str, Any]
    input_links: list[LinkModel]
    output_links: list[LinkModel]
    graph_id: str
    graph_version: int
    webhook_id: str | None

    @classmethod
    def of(cls, row: Node) -> NodeModel:
        return cls(
            id=row.id,
            block_id=row.block_id,
            input_default=as_object(row.constant_input),
            metadata=as_object(row.node_metadata),
            input_links=[LinkModel.model_validate(link) for link in row.input_links],
            output_links=[LinkModel.model_validate(link) for link in row.output_links],
            graph_id=row.graph_id,
            graph_version=row.graph_version,
            webhook_id=row.webhook_id,
        )


class CredentialsMetaInput(BaseModel):
    id: str
    title: str | None = None
    provider: str
    type: str


class StoredStats(BaseModel):
    error: str | None = None
    walltime: float = 0
    cputime: float = 0
    nodes_walltime: float = 0
    nodes_cputime: float = 0
    node_count: int = 0
    node_error_count: int = 0
    cost: int = 0
    activity_status: str | None = None
    correctness_score: float | None = None


class Stats(BaseModel):
    cost: int
    duration: float
    duration_cpu_only: float
    node_exec_time: float
    node_exec_time_cpu_only: float
    node_exec_count: int
    node_error_count: int
    error: str | None
    activity_status: str | None
    correctness_score: float | None

    @classmethod
    def of(cls, stored: Any) -> Stats | None:
        try:
            stats = StoredStats.model_validate(stored)
        except ValidationError:
            return None
        return cls(
            cost=stats.cost,
            duration=stats.walltime,
            duration_cpu_only=stats.cputime,
            node_exec_time=stats.nodes_walltime,
            node_exec_time_cpu_only=stats.nodes_cputime,
            node_exec_count=stats.node_count,
            node_error_count=stats.node_error_count,
            error=stats.error,
            activity_status=stats.activity_status,
            correctness_score=stats.correctness_score,
        )


class GraphExecutionModel(BaseModel):
    id: str
    user_id: str
    graph_id: str
    graph_version: int
    inputs: dict[str, Any]
    credential_inputs: dict[str, CredentialsMetaInput] | None
    nodes_input_masks: dict[str, Any] | None
    preset_id: str | None
    status: Status
    started_at: datetime | None
    ended_at: datetime | None
    is_shared: bool
    share_token: str | None
    is_dry_run: bool
    organization_id: str | None
    team_id: str | None
    stats: Stats | None
    outputs: dict[str, list[Any]]


class GraphExecutionWithNodes(GraphExecutionModel):
    node_executions: list[NodeExecutionResult]


def graph_execution(
    row: GraphExecution, loaded: list[NodeExecution], *, with_nodes: bool
) -> GraphExecutionModel:
    """Return an execution's model; `loaded` are its newest node executions."""
    loaded = sorted(
        loaded,
        key=lambda one: (one.queued_time is None, one.queued_time or one.added_time),
    )
    results = [NodeExecutionResult.of(one) for one in loaded]
    inputs: dict[str, Any] = dict(row.inputs or {})
    outputs: dict[str, list[Any]] = defaultdict(list)
    for result in results:
        given = result.input_data
        if result.status is Status.INCOMPLETE:
            continue
        if result.block_id in INPUT_BLOCKS and not row.inputs and "name" in given:
            inputs[given["name"]] = given.get("value")
        elif result.block_id in OUTPUT_BLOCKS and "name" in given:
            outputs[given["name"]].append(given.get("value"))
        elif result.block_id in WEBHOOK_BLOCKS and "payload" in given:
            inputs["payload"] = given["payload"]
    fields: dict[str, Any] = {
        "id": row.id,
        "user_id": row.user_id,
        "graph_id": row.graph_id,
        "graph_version": row.graph_version,
        "inputs": inputs,
        "credential_inputs": row.credential_inputs or None,
        "nodes_input_masks": row.nodes_input_masks,
        "preset_id": row.preset_id,
        "status": row.status,
        "started_at": utc(row.started_at),
        "ended_at": utc(row.ended_at),
        "is_shared": row.is_shared,
        "share_token": row.share_token,
        "is_dry_run": bool((row.stats or {}).get("is_dry_run")),
        "organization_id": row.organization_id,
        "team_id": row.team_id,
        "stats": Stats.of(row.stats),
        "outputs": outputs,
    }
    if with_nodes:
        return GraphExecutionWithNodes(**fields, node_executions=results)
    return GraphExecutionModel(**fields)


def validated_stats(stored: Any) -> NodeExecutionStats:
    try:
        return NodeExecutionStats.model_validate(stored or {})
    except ValidationError:
        return NodeExecutionStats()


def as_object(value: Any) -> dict[str, Any]:
    """Return a stored value as an object, by AutoGPT's rules."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {"value": value}
        return value if isinstance(value, dict) else {"value": value}
    if isinstance(value, list):
        return {str(place): item for place, item in enumerate(value)}
    return value if isinstance(value, dict) else {"value": value}


def utc(moment: datetime | None) -> Any:
    return moment and moment.replace(tzinfo=UTC)
