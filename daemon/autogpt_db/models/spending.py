"""What credits are spent on."""

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
