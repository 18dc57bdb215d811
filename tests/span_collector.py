"""A collector of spans: takes OTLP over HTTP, as OpenTelemetry's own does, and keeps what came."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.proto.trace.v1 import trace_pb2

PATH = "/v1/traces"


@dataclass(frozen=True, slots=True)
class Seen:
    """A span as it came.

    Attributes:
        resource: What it comes from.
        message: All of it.
    """

    resource: dict[str, Any]
    message: trace_pb2.Span

    @property
    def name(self) -> str:
        return self.message.name

    @property
    def told(self) -> dict[str, Any]:
        """Return its attributes."""
        return _values(self.message.attributes)

    @property
    def trace(self) -> str:
        return self.message.trace_id.hex()

    @property
    def id(self) -> str:
        return self.message.span_id.hex()

    @property
    def parent(self) -> str:
        return self.message.parent_span_id.hex()

    @property
    def links(self) -> set[tuple[str, str]]:
        """Return trace and span of each that it is linked with."""
        return {(link.trace_id.hex(), link.span_id.hex()) for link in self.message.links}


class SpanCollector:
    """Listens on a port of its own until it is left.

    Attributes:
        port: Where it listens.
        endpoint: The same, for `traces.endpoint`.
        spans: What came, in that order.
        requests: How often somebody came.
        headers: Those of the last one.
        status: What it answers.
        rejects: Spans of each request that it says it has rejected.
        answering: Is waited for before each answer.
    """

    def __init__(self, port: int = 0) -> None:
        self.spans: list[Seen] = []
        self.requests = 0
        self.headers: dict[str, str] = {}
        self.status = 200
        self.rejects = 0
        self.answering = threading.Event()
        self.answering.set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status, answer = collector._take(self.path, dict(self.headers.items()), body)
                self.send_response(status)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_words: object) -> None:
                """Say nothing."""

        class Listener(ThreadingHTTPServer):
            def handle_error(self, *_about: object) -> None:
                """Say nothing: who asked has left."""

        self._server = Listener(("127.0.0.1", port), Handler)
        self.port: int = self._server.server_address[1]
        self.endpoint = f"http://127.0.0.1:{self.port}{PATH}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.answering.set()
        self._server.shutdown()
        self._server.server_close()

    def wait(self, wanted: Callable[[Seen], bool], count: int = 1) -> list[Seen]:
        """Return the spans that are wanted, once there are so many."""

        def found() -> list[Seen] | None:
            spans = [each for each in list(self.spans) if wanted(each)]
            return spans if len(spans) >= count else None

        return wait_for(found, what=f"{count} spans")

    def of(self, trace: str, count: int = 1) -> list[Seen]:
        """Return the spans of a trace, once there are so many."""
        return self.wait(lambda each: each.trace == trace, count)

    def _take(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        self.requests += 1
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.answering.wait()
        answer = ExportTraceServiceResponse()
        if path != PATH:
            return 404, b""
        if self.status != 200:
            return self.status, b""
        request = ExportTraceServiceRequest.FromString(body)
        for each in request.resource_spans:
            resource = _values(each.resource.attributes)
            for scope in each.scope_spans:
                self.spans += [Seen(resource, message) for message in scope.spans]
        if self.rejects:
            answer.partial_success.rejected_spans = self.rejects
        return 200, answer.SerializeToString()


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
