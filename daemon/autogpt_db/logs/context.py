"""What every record of one request, or of one trace, has in common."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

from autogpt_db.spans import SPAN

if TYPE_CHECKING:
    from structlog.typing import EventDict, WrappedLogger

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The request that the current task serves. Set for each of them, so it has to cost nothing."""


def add_context(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Name the request, and the trace, in a record that doesn't by itself."""
    request_id = REQUEST_ID.get()
    if request_id is not None and "request_id" not in event:
        event["request_id"] = request_id
    span = SPAN.get()
    if span is not None and "trace_id" not in event:
        event["trace_id"], event["span_id"] = span.trace_id, span.span_id
    return event
