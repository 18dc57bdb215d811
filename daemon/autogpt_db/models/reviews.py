"""What people are asked during an execution."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

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
