"""What a connection answers by itself, before or instead of a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.api.heads import HEAD_LIMIT
from autogpt_db.errors import (
    BodyTooLargeError,
    CallError,
    HeadTooLargeError,
    UpgradeRefusedError,
)

if TYPE_CHECKING:
    from autogpt_db.api.heads import Head
    from autogpt_db.api.memory import Memory
    from autogpt_db.settings.api import ApiSettings


def body_too_large(limit: int) -> BodyTooLargeError:
    """Return the failure of a body beyond `limit` bytes."""
    return BodyTooLargeError(f"The request's body is larger than {limit} bytes (api.body_limit).")


def head_too_large() -> HeadTooLargeError:
    """Return the failure of a head beyond `HEAD_LIMIT`."""
    return HeadTooLargeError(f"The request's head is larger than {HEAD_LIMIT} bytes.")


def trailers_too_large() -> HeadTooLargeError:
    """Return the failure of trailers, or of chunks' extensions, beyond `HEAD_LIMIT`."""
    return HeadTooLargeError(
        f"What stands behind the request's body or between its chunks is larger than {HEAD_LIMIT} "
        "bytes."
    )


def refusal_of(head: Head, limits: ApiSettings, memory: Memory) -> CallError | None:
    """Return why a request is refused before anything of its body is read, if it is."""
    if head.is_too_long:
        return head_too_large()
    if head.verb == "CONNECT":
        return UpgradeRefusedError("This server is no proxy; send it requests of its own.")
    if head.size > limits.body_limit:
        return body_too_large(limits.body_limit)
    try:
        memory.check(head.size)
    except CallError as error:
        return error
    return None
