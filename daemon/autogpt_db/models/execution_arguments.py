"""What executions are started and ended with."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypedDict

from autogpt_db.models.marks import Default


class CredentialsMetaInput(TypedDict):
    """A reference to stored credentials."""

    id: str
    title: NotRequired[Annotated[str | None, Default(None)]]
    provider: str
    type: Literal["api_key", "oauth2", "user_password", "host_scoped"]


class GraphExecutionStats(TypedDict):
    """The figures of one graph execution; times in seconds, cost in credits."""

    error: NotRequired[Annotated[str | None, Default(None)]]
    walltime: NotRequired[Annotated[float, Default(0)]]
    cputime: NotRequired[Annotated[float, Default(0)]]
    nodes_walltime: NotRequired[Annotated[float, Default(0)]]
    nodes_cputime: NotRequired[Annotated[float, Default(0)]]
    node_count: NotRequired[Annotated[int, Default(0)]]
    node_error_count: NotRequired[Annotated[int, Default(0)]]
    cost: NotRequired[Annotated[int, Default(0)]]
    activity_status: NotRequired[Annotated[str | None, Default(None)]]
    correctness_score: NotRequired[Annotated[float | None, Default(None)]]
    # Of later releases: stored only if they come.
    is_dry_run: NotRequired[bool]
    failure_reason: NotRequired[Literal["insufficient_balance", "entitlement_required"] | None]
