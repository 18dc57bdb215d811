"""The table of status transitions, graph and node executions alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.errors import InvalidValueError
from autogpt_db.signatures.types import ExecutionStatus as Status

if TYPE_CHECKING:
    from collections.abc import Mapping

_ALLOWED_FROM: Mapping[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset({Status.INCOMPLETE, Status.TERMINATED, Status.REVIEW}),
    Status.RUNNING: frozenset({Status.INCOMPLETE, Status.QUEUED, Status.TERMINATED, Status.REVIEW}),
    Status.COMPLETED: frozenset({Status.RUNNING}),
    Status.FAILED: frozenset({Status.INCOMPLETE, Status.QUEUED, Status.RUNNING, Status.REVIEW}),
    Status.TERMINATED: frozenset({Status.INCOMPLETE, Status.QUEUED, Status.RUNNING, Status.REVIEW}),
    Status.REVIEW: frozenset({Status.RUNNING}),
}
# As the text of an array: one parameter, however many statuses.
_ALLOWED_TEXT = {
    target: "{" + ",".join(sorted(allowed)) + "}" for target, allowed in _ALLOWED_FROM.items()
}


def allowed_from(target: Status) -> str:
    """Return the statuses that may become `target`, as the text of a PostgreSQL array.

    Raises:
        InvalidValueError: None may: an execution is INCOMPLETE only at first.
    """
    allowed = _ALLOWED_TEXT.get(target)
    if allowed is None:
        raise InvalidValueError(
            f"No execution may be set to {target.value}: it has this status only when it is made."
        )
    return allowed
