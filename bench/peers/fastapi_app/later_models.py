"""What goes over the wire of the later routes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from bench.peers.fastapi_app.models import CredentialsMetaInput, Stats, utc
from bench.peers.fastapi_app.tables import Status  # noqa: TC002 - pydantic reads annotations
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

if TYPE_CHECKING:
    from bench.peers.fastapi_app.later_tables import Workspace
    from bench.peers.fastapi_app.tables import GraphExecution


class WorkspaceModel(BaseModel):
    id: str
    user_id: str
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: Workspace) -> WorkspaceModel:
        return cls(
            id=row.id,
            user_id=row.user_id,
            created_at=row.created_at.replace(tzinfo=UTC),
            updated_at=row.updated_at.replace(tzinfo=UTC),
        )


class GraphExecutionMeta(BaseModel):
    id: str
    user_id: str
    graph_id: str
    graph_version: int
    inputs: dict[str, Any] | None
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

    @classmethod
    def of(cls, row: GraphExecution) -> GraphExecutionMeta:
        return cls(
            id=row.id,
            user_id=row.user_id,
            graph_id=row.graph_id,
            graph_version=row.graph_version,
            inputs=row.inputs,
            credential_inputs=row.credential_inputs or None,
            nodes_input_masks=row.nodes_input_masks,
            preset_id=row.preset_id,
            status=row.status,
            started_at=utc(row.started_at),
            ended_at=utc(row.ended_at),
            is_shared=row.is_shared,
            share_token=row.share_token,
            is_dry_run=bool((row.stats or {}).get("is_dry_run")),
            organization_id=row.organization_id,
            team_id=row.team_id,
            stats=Stats.of(row.stats),
        )


class RunStats(BaseModel):
    """What an executor says of a run."""

    model_config = ConfigDict(extra="allow")

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
    is_dry_run: bool = False


class UsageTransactionMetadata(BaseModel):
    graph_exec_id: str | None = None
    graph_id: str | None = None
    node_id: str | None = None
    node_exec_id: str | None = None
    block_id: str | None = None
    block: str | None = None
    input: dict[str, Any] | None = None
    reason: str | None = None


class _Credential(BaseModel):
    id: str
    provider: str
    title: str | None = None
    is_managed: bool = False
    metadata: dict[str, Any] = {}


class ApiKey(_Credential):
    type: Literal["api_key"]
    api_key: str
    expires_at: int | None = None


class OAuth2(_Credential):
    type: Literal["oauth2"]
    username: str | None = None
    access_token: str
    access_token_expires_at: int | None = None
    refresh_token: str | None = None
    refresh_token_expires_at: int | None = None
    scopes: list[str]


class UserPassword(_Credential):
    type: Literal["user_password"]
    username: str
    password: str


class HostScoped(_Credential):
    type: Literal["host_scoped"]
    host: str
    headers: dict[str, str] = {}


Credentials = Annotated[ApiKey | OAuth2 | UserPassword | HostScoped, Field(discriminator="type")]
credentials_adapter: TypeAdapter[Any] = TypeAdapter(Credentials)


class PlatformCostEntry(BaseModel):
    user_id: str
    graph_exec_id: str | None = None
    node_exec_id: str | None = None
    graph_id: str | None = None
    node_id: str | None = None
    block_id: str | None = None
    block_name: str | None = None
    provider: str
    credential_id: str | None = None
    cost_microdollars: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_creation_tokens: int | None = None
    data_size: int | None = None
    duration: float | None = None
    model: str | None = None
    tracking_type: str | None = None
    tracking_amount: float | None = None
    metadata: dict[str, Any] | None = None
