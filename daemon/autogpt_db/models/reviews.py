"""What people are asked during an execution."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from autogpt_db.models.marks import Moment

ReviewStatus = Literal[
    "WAITING",
    "APPROVED",
    "REJECTED",
]
"""Where a review stands."""


class ReviewResult(TypedDict):
    """What people have said to what an execution wanted to have reviewed."""

    data: dict[str, Any] | list[Any] | str | float | bool | None
    status: ReviewStatus
    message: str
    processed: bool
    node_exec_id: str


class HumanReview(TypedDict):
    """What a person is asked, and has said; where it comes from is null, from AutoGPT v0.7.1 on."""

    node_exec_id: str
    node_id: str
    user_id: str
    graph_exec_id: str
    graph_id: str
    graph_version: int
    payload: dict[str, Any] | list[Any] | str | float | bool | None
    instructions: str | None
    editable: bool
    status: ReviewStatus
    review_message: str | None
    expert_id: NotRequired[None]
    expert_name: NotRequired[None]
    expert_avatar_url: NotRequired[None]
    agent_name: NotRequired[None]
    library_agent_id: NotRequired[None]
    session_id: NotRequired[None]
    was_edited: bool | None
    processed: bool
    created_at: Moment
    updated_at: Moment | None
    reviewed_at: Moment | None


class PendingReview(TypedDict):
    """What a person is asked, and where it comes from."""

    node_exec_id: str
    node_id: str
    user_id: str
    graph_exec_id: str
    graph_id: str
    graph_version: int
    payload: dict[str, Any] | list[Any] | str | float | bool | None
    instructions: str | None
    editable: bool
    status: ReviewStatus
    review_message: str | None
    expert_id: str | None
    expert_name: str | None
    expert_avatar_url: str | None
    agent_name: str | None
    library_agent_id: str | None
    session_id: str | None
    was_edited: bool | None
    processed: bool
    created_at: Moment
    updated_at: Moment | None
    reviewed_at: Moment | None
