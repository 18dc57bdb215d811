"""What credits are spent on, and what that costs the platform."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypedDict

from autogpt_db.models.marks import Default


class UsageTransactionMetadata(TypedDict):
    """What credits were spent on."""

    graph_exec_id: NotRequired[Annotated[str | None, Default(None)]]
    graph_id: NotRequired[Annotated[str | None, Default(None)]]
    node_id: NotRequired[Annotated[str | None, Default(None)]]
    node_exec_id: NotRequired[Annotated[str | None, Default(None)]]
    block_id: NotRequired[Annotated[str | None, Default(None)]]
    block: NotRequired[Annotated[str | None, Default(None)]]
    input: NotRequired[Annotated[dict[str, Any] | None, Default(None)]]
    reason: NotRequired[Annotated[str | None, Default(None)]]


class PlatformCostEntry(TypedDict):
    """What a block's call of a provider cost the platform; durations in seconds, sizes in bytes."""

    user_id: str
    graph_exec_id: NotRequired[Annotated[str | None, Default(None)]]
    node_exec_id: NotRequired[Annotated[str | None, Default(None)]]
    graph_id: NotRequired[Annotated[str | None, Default(None)]]
    node_id: NotRequired[Annotated[str | None, Default(None)]]
    block_id: NotRequired[Annotated[str | None, Default(None)]]
    block_name: NotRequired[Annotated[str | None, Default(None)]]
    provider: str
    credential_id: NotRequired[Annotated[str | None, Default(None)]]
    cost_microdollars: NotRequired[Annotated[int | None, Default(None)]]
    input_tokens: NotRequired[Annotated[int | None, Default(None)]]
    output_tokens: NotRequired[Annotated[int | None, Default(None)]]
    cache_read_tokens: NotRequired[Annotated[int | None, Default(None)]]
    cache_creation_tokens: NotRequired[Annotated[int | None, Default(None)]]
    data_size: NotRequired[Annotated[int | None, Default(None)]]
    duration: NotRequired[Annotated[float | None, Default(None)]]
    model: NotRequired[Annotated[str | None, Default(None)]]
    tracking_type: NotRequired[Annotated[str | None, Default(None)]]
    tracking_amount: NotRequired[Annotated[float | None, Default(None)]]
    metadata: NotRequired[Annotated[dict[str, Any] | None, Default(None)]]
