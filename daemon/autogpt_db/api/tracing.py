"""What a request's span says of it: names and figures, nothing that a user has written."""

from __future__ import annotations

from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from autogpt_db.database.pool.tracing import LEAST_WAIT
from autogpt_db.spans import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autogpt_db.api.heads import Head
    from autogpt_db.database import pool
    from autogpt_db.errors import CallError
    from autogpt_db.spans import Span
    from autogpt_db.traces.tracer import Tracer


def begin_span(tracer: Tracer, head: Head, request_id: str, started: float) -> Span | None:
    """Begin a request's span; None: it is not traced.

    Args:
        tracer: Begins it.
        head: What the request's head says.
        request_id: What its records have in common.
        started: `time.monotonic()` moment of its arrival.
    """
    apart = head.apart
    # Its name is known at its end: of what is none of ours it has to be one of few.
    # A stranger, who lacks the token, decides nothing: he could fill the queue.
    parent = apart.traceparent if head.allowed else None
    span = tracer.begin_call(head.verb, started, parent, apart.tracestate)
    if span is not None:
        span.attributes["autogpt_db.request_id"] = request_id
    return span


def end_span(
    span: Span,
    head: Head,
    status: int,
    *,
    name: str,
    handle: pool.Call | None,
    failure: CallError | None,
    replayed: bool,
    passed_on: bool,
) -> None:
    """End a request's span, and say how it went.

    Args:
        span: It.
        head: What the request's head says.
        status: The reply's.
        name: The method, or verb and path of anything else.
        handle: What its operation talked to the database through.
        failure: What it was answered with instead of a result.
        replayed: Whether its reply is that of another call with the same idempotency key.
        passed_on: Whether another service did it.
    """
    told = span.attributes
    told["http.request.method"] = head.verb
    told["http.response.status_code"] = status
    told["url.scheme"] = "http"
    told["network.protocol.version"] = head.version
    route = _route(head, name, passed_on=passed_on)
    if route is not None:
        span.name = f"{head.verb} {route}"
        told["http.route"] = route
    if handle is not None:
        told["autogpt_db.rows"] = handle.row_count
        if handle.pool_wait >= LEAST_WAIT:
            told["autogpt_db.pool_wait"] = round(handle.pool_wait, 6)
    if head.key is not None:
        told["autogpt_db.replayed"] = replayed
    if passed_on:
        told["autogpt_db.passed_on"] = True
    if failure is not None:
        told["error.type"] = type(failure).__name__
        sqlstate = getattr(failure.__cause__, "sqlstate", None)
        if sqlstate is not None:
            told["db.response.status_code"] = sqlstate
    # What a client has done wrong is no failure of the server's (OpenTelemetry's rule).
    span.failed = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    span.end()


@contextmanager
def passing_on(span: Span | None, name: str, address: str) -> Iterator[Span | None]:
    """Trace a call of another service as a part of `span`, and yield that part.

    Args:
        span: The request's; None: it is not traced.
        name: The method, one of few.
        address: The service's host and port.
    """
    if span is None:
        yield None
        return
    with span.begin(f"POST /{name}", Kind.CLIENT) as part:
        part.attributes["http.request.method"] = "POST"
        part.attributes["http.route"] = f"/{name}"
        part.attributes["server.address"] = address
        yield part


def _route(head: Head, name: str, *, passed_on: bool) -> str | None:
    """Return the path where it is one of few: strangers' are as many as they like."""
    if head.operation is not None:
        return f"/{head.operation.name}"
    if passed_on:
        return f"/{name}"  # bounded by then
    verb, _, path = name.partition(" ")
    return path if path and verb == head.verb else None
