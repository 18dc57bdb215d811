"""AutoGPT's tables, as far as these methods go."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, ForeignKeyConstraint, MetaData
from sqlalchemy.dialects.postgresql import ENUM, JSONB, TIMESTAMP
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Status(StrEnum):
    INCOMPLETE = "INCOMPLETE"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    TERMINATED = "TERMINATED"
    FAILED = "FAILED"
    REVIEW = "REVIEW"


StatusType = ENUM(Status, name="AgentExecutionStatus", schema="platform", create_type=False)


class Base(DeclarativeBase):
    metadata = MetaData(schema="platform")
    type_annotation_map = {datetime: TIMESTAMP(precision=3), Any: JSONB}  # noqa: RUF012


class Graph(Base):
    __tablename__ = "AgentGraph"

    id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)


class Node(Base):
    __tablename__ = "AgentNode"

    id: Mapped[str] = mapped_column(primary_key=True)
    block_id: Mapped[str] = mapped_column("agentBlockId")
    graph_id: Mapped[str] = mapped_column("agentGraphId")
    graph_version: Mapped[int] = mapped_column("agentGraphVersion")
    webhook_id: Mapped[str | None] = mapped_column("webhookId")
    constant_input: Mapped[Any] = mapped_column("constantInput")
    node_metadata: Mapped[Any] = mapped_column("metadata")
    input_links: Mapped[list[Link]] = relationship(foreign_keys="Link.sink_id")
    output_links: Mapped[list[Link]] = relationship(foreign_keys="Link.source_id")


class Link(Base):
    __tablename__ = "AgentNodeLink"

    id: Mapped[str] = mapped_column(primary_key=True)
    source_id: Mapped[str] = mapped_column("agentNodeSourceId", ForeignKey(Node.id))
    sink_id: Mapped[str] = mapped_column("agentNodeSinkId", ForeignKey(Node.id))
    source_name: Mapped[str] = mapped_column("sourceName")
    sink_name: Mapped[str] = mapped_column("sinkName")
    is_static: Mapped[bool] = mapped_column("isStatic")


class GraphExecution(Base):
    __tablename__ = "AgentGraphExecution"
    __table_args__ = (
        ForeignKeyConstraint(
            ["agentGraphId", "agentGraphVersion"],
            ["platform.AgentGraph.id", "platform.AgentGraph.version"],
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    graph_id: Mapped[str] = mapped_column("agentGraphId")
    graph_version: Mapped[int] = mapped_column("agentGraphVersion")
    user_id: Mapped[str] = mapped_column("userId")
    status: Mapped[Status] = mapped_column("executionStatus", StatusType)
    started_at: Mapped[datetime | None] = mapped_column("startedAt")
    ended_at: Mapped[datetime | None] = mapped_column("endedAt")
    preset_id: Mapped[str | None] = mapped_column("agentPresetId")
    stats: Mapped[Any | None]
    is_deleted: Mapped[bool] = mapped_column("isDeleted")
    credential_inputs: Mapped[Any | None] = mapped_column("credentialInputs")
    inputs: Mapped[Any | None]
    nodes_input_masks: Mapped[Any | None] = mapped_column("nodesInputMasks")
    is_shared: Mapped[bool] = mapped_column("isShared")
    share_token: Mapped[str | None] = mapped_column("shareToken")
    updated_at: Mapped[datetime | None] = mapped_column("updatedAt")
    organization_id: Mapped[str | None] = mapped_column("organizationId")
    team_id: Mapped[str | None] = mapped_column("teamId")


class NodeExecution(Base):
    __tablename__ = "AgentNodeExecution"

    id: Mapped[str] = mapped_column(primary_key=True)
    graph_execution_id: Mapped[str] = mapped_column(
        "agentGraphExecutionId", ForeignKey(GraphExecution.id)
    )
    node_id: Mapped[str] = mapped_column("agentNodeId", ForeignKey(Node.id))
    added_time: Mapped[datetime] = mapped_column("addedTime")
    queued_time: Mapped[datetime | None] = mapped_column("queuedTime")
    started_time: Mapped[datetime | None] = mapped_column("startedTime")
    ended_time: Mapped[datetime | None] = mapped_column("endedTime")
    status: Mapped[Status] = mapped_column("executionStatus", StatusType)
    stats: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))
    execution_data: Mapped[Any | None] = mapped_column("executionData", JSONB(none_as_null=True))

    graph_execution: Mapped[GraphExecution] = relationship()
    node: Mapped[Node] = relationship()
    inputs: Mapped[list[Value]] = relationship(
        foreign_keys="Value.input_of", order_by="Value.time", viewonly=True
    )
    outputs: Mapped[list[Value]] = relationship(
        foreign_keys="Value.output_of", order_by="Value.time", viewonly=True
    )


class Value(Base):
    """One value that went into a node execution, or came out."""

    __tablename__ = "AgentNodeExecutionInputOutput"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    time: Mapped[datetime]
    input_of: Mapped[str | None] = mapped_column(
        "referencedByInputExecId", ForeignKey(NodeExecution.id)
    )
    output_of: Mapped[str | None] = mapped_column(
        "referencedByOutputExecId", ForeignKey(NodeExecution.id)
    )
    data: Mapped[Any | None]


class KeyValue(Base):
    __tablename__ = "AgentNodeExecutionKeyValueData"

    user_id: Mapped[str] = mapped_column("userId", primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    node_execution_id: Mapped[str] = mapped_column("agentNodeExecutionId")
    data: Mapped[Any | None]
    created_at: Mapped[datetime] = mapped_column("createdAt")
    updated_at: Mapped[datetime | None] = mapped_column("updatedAt")
