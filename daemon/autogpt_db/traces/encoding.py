"""Spans as a collector reads them: OTLP's own messages."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1 import trace_pb2

from autogpt_db.spans import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from autogpt_db.spans import Link, Span, Value

NANOSECONDS = 1_000_000_000
PIECE = 16
"""Spans that are written at once: a fifth of a millisecond."""
PAUSE = 0.0005
"""Seconds in between. Whoever waits for the interpreter, the event loop, would be kept for 5 ms."""
KNOWN = 4096
"""Attributes that are remembered as they are sent."""
_OF_ONE_SPAN = frozenset({"autogpt_db.request_id", "autogpt_db.job_id"})
_SAMPLED = 1
_KINDS = {
    Kind.INTERNAL: trace_pb2.Span.SPAN_KIND_INTERNAL,
    Kind.SERVER: trace_pb2.Span.SPAN_KIND_SERVER,
    Kind.CLIENT: trace_pb2.Span.SPAN_KIND_CLIENT,
}


class Encoder:
    """Writes spans.

    Args:
        resource: What all of them come from, by OpenTelemetry's names.
        version: The program's.
    """

    def __init__(self, resource: Mapping[str, Value], version: str) -> None:
        self._resource = Resource(attributes=_attributes(resource))
        self._scope = InstrumentationScope(name="autogpt_db", version=version)

    def encode(self, spans: Iterable[Span]) -> bytes:
        """Return a request's body."""
        # A clock that is set shall not turn a span around: what it says now counts for all of one.
        ahead = time.time_ns() - time.monotonic_ns()
        scope = trace_pb2.ScopeSpans(scope=self._scope)
        for number, span in enumerate(spans, 1):
            scope.spans.append(_message(span, ahead))
            if not number % PIECE:
                time.sleep(PAUSE)
        everything = trace_pb2.ResourceSpans(resource=self._resource, scope_spans=[scope])
        body: bytes = ExportTraceServiceRequest(resource_spans=[everything]).SerializeToString()
        return body


def rejected_in(body: bytes) -> int:
    """Return how many spans a collector has not taken, by its answer's body.

    Raises:
        google.protobuf.message.DecodeError: It is no such answer.
    """
    rejected: int = ExportTraceServiceResponse.FromString(body).partial_success.rejected_spans
    return max(0, rejected)


def _message(span: Span, ahead: int) -> trace_pb2.Span:
    trace = span.trace
    message = trace_pb2.Span(
        trace_id=trace.id.to_bytes(16, "big"),
        span_id=span.id.to_bytes(8, "big"),
        parent_span_id=span.parent.to_bytes(8, "big") if span.parent else b"",
        trace_state=trace.state,
        flags=_SAMPLED,
        name=span.name,
        kind=_KINDS[span.kind],
        start_time_unix_nano=int(span.started * NANOSECONDS) + ahead,
        end_time_unix_nano=int(span.ended * NANOSECONDS) + ahead,
        attributes=_attributes(span.attributes),
        links=_links(span.links),
    )
    if span.failed:
        message.status.code = trace_pb2.Status.STATUS_CODE_ERROR
    return message


def _links(others: Sequence[Link]) -> list[trace_pb2.Span.Link]:
    return [
        trace_pb2.Span.Link(
            trace_id=other.trace_id.to_bytes(16, "big"),
            span_id=other.span_id.to_bytes(8, "big"),
            trace_state=other.state,
            flags=_SAMPLED,
        )
        for other in others
    ]


def _attributes(given: Mapping[str, Value]) -> list[KeyValue]:
    return [
        _message_of(name, value)
        if isinstance(value, float) or name in _OF_ONE_SPAN
        else _known_message_of(name, value)
        for name, value in given.items()
    ]


def _message_of(name: str, value: Value) -> KeyValue:
    return KeyValue(key=name, value=_value(value))


# Making one takes four times as long as all else of a span; and nearly all come again.
_known_message_of = lru_cache(maxsize=KNOWN, typed=True)(_message_of)


def _value(value: Value) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(string_value=value)
