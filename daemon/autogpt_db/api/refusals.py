"""What a connection answers by itself, before or instead of a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from autogpt_db.errors import BodyTooLargeError, HeadTooLargeError, PipelineTooLongError

if TYPE_CHECKING:
    from autogpt_db.errors import RequestRefusedError

HEAD_LIMIT = 65_536
"""Bytes of a request line and its headers; and of what stands between the pieces of a body."""
PIPELINE_LIMIT = 64
"""Requests that may wait for their replies on one connection."""


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


def pipeline_too_long() -> PipelineTooLongError:
    """Return the failure of the request behind `PIPELINE_LIMIT` others."""
    return PipelineTooLongError(
        f"{PIPELINE_LIMIT} requests wait for their replies on this connection, and no more may: "
        "this one and what follows it were not read. Send them again on another connection."
    )


def reply_to_nothing(error: RequestRefusedError, defaults: list[tuple[bytes, bytes]]) -> bytes:
    """Return the reply to bytes that are no request.

    Args:
        error: What is wrong with them.
        defaults: The headers of every reply.
    """
    body = msgspec.json.encode(error.body())
    headers = [
        *defaults,
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    return STATUS_LINE[error.status] + lines + b"\r\n" + body
