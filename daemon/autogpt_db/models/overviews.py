"""What an operator sees of the service's data where no method shows it so: by REST alone."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypedDict

from autogpt_db.models.executions import AgentExecutionStatus, Stats
from autogpt_db.models.marks import Content, Moment
from autogpt_db.models.reviews import ReviewStatus


class ExecutionOverview(TypedDict):
    """A graph execution, whoever's it is: where it stands, since when, and what it has cost."""

    id: str
    user_id: str
    graph_id: str
    graph_version: int
    preset_id: str | None
    parent_id: str | None
    status: AgentExecutionStatus
    created_at: Moment
    updated_at: Moment | None
    started_at: Moment | None
    ended_at: Moment | None
    is_shared: bool
    stats: Stats | None
    organization_id: str | None
    team_id: str | None
    expert_id: str | None
    inputs: Annotated[dict[str, Any] | None, Content()]


class NodeExecutionOverview(TypedDict):
    """A node execution: what it waited for and how long it ran can be read off its moments."""

    id: str
    graph_execution_id: str
    node_id: str
    block_id: str
    status: AgentExecutionStatus
    added_at: Moment
    queued_at: Moment | None
    started_at: Moment | None
    ended_at: Moment | None
    input_data: Annotated[dict[str, Any], Content()]
    output_data: Annotated[dict[str, list[Any]], Content()]


class ReviewOverview(TypedDict):
    """What a node execution asks a person, and what came of it."""

    node_execution_id: str
    graph_execution_id: str
    graph_id: str
    graph_version: int
    user_id: str
    status: ReviewStatus
    processed: bool
    created_at: Moment
    updated_at: Moment | None
    reviewed_at: Moment | None
    instructions: Annotated[str | None, Content()]
    payload: Annotated[Any, Content()]
    message: Annotated[str | None, Content()]


class StuckExecution(TypedDict):
    """An execution that nothing moves any more, and its last sign of life.

    Its kind is `queued`, `running`, `incomplete`, or `orphans`: a node execution that its ended
    graph execution has left running.
    """

    kind: str
    id: str
    node_execution_id: str | None
    graph_id: str
    user_id: str
    status: str
    since: Moment
    seconds: float


class GraphOverview(TypedDict):
    """A version of a graph, without what is inside."""

    id: str
    version: int
    user_id: str
    is_active: bool
    created_at: Moment
    updated_at: Moment | None
    forked_from_id: str | None
    forked_from_version: int | None
    organization_id: str | None
    team_id: str | None
    name: Annotated[str | None, Content()]
    description: Annotated[str | None, Content()]


class UserOverview(TypedDict):
    """A user; `subscription_tier` is there from AutoGPT v0.6.54's schema on."""

    id: str
    created_at: Moment
    updated_at: Moment
    timezone: Annotated[str, Content()]
    subscription_tier: NotRequired[str | None]
    email: Annotated[str, Content()]
    name: Annotated[str | None, Content()]


class BalanceOverview(TypedDict):
    """What a user has, in credits (US cents), as it stands: a month's refill may be due."""

    user_id: str
    balance: int


class CreditTransaction(TypedDict):
    """An entry of a user's ledger, in credits (US cents)."""

    key: str
    created_at: Moment
    type: str
    amount: int
    running_balance: int | None
    is_active: bool
    metadata: Annotated[Any, Content()]


class OrganizationMembership(TypedDict):
    """An organization that a user belongs to, and as what."""

    organization_id: str
    is_personal: bool
    is_owner: bool
    is_admin: bool
    is_billing_manager: bool
    status: str
    joined_at: Moment
    name: Annotated[str, Content()]


class JobOverview(TypedDict):
    """A background job: what waits, what runs and how far it is, and how the last run ended.

    Rates are a second's, durations in seconds.
    """

    job: str
    summary: str
    paused: bool
    waiting: int
    failed: int
    process: str | None
    started_at: Moment | None
    attempt: int | None
    done: int | None
    total: int | None
    rate: float | None
    last_outcome: str | None
    last_ended_at: Moment | None
    last_seconds: float | None
    last_reason: str | None
    last_result: dict[str, int | float | str | bool | None] | None


class JobRun(TypedDict):
    """A run of a background job; runs are kept for 14 days."""

    number: int
    job_id: int
    job: str
    attempt: int
    process: str
    started_at: Moment
    ended_at: Moment | None
    seconds: float
    outcome: str
    reason: str | None
    result: dict[str, int | float | str | bool | None] | None
    done: int | None
    total: int | None
