"""Traces of calls: what comes to a collector, and that it is nothing that users have written."""

from __future__ import annotations

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest

from api_process import ApiProcess
from autogpt_db.client import AsyncClient, Client
from autogpt_db.metrics import families
from lock_waits import await_lock
from metrics_reading import parse, total
from span_collector import SpanCollector
from upstream_manager import UpstreamManager
from waiting import PATIENCE, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from span_collector import Seen


class Traced:
    """An API process whose spans come to a collector; only what says so is traced.

    Attributes:
        api: It.
        spans: The collector.
        upstream: AutoGPT's own service, where calls are passed on to.
    """

    def __init__(self, api: ApiProcess, spans: SpanCollector, upstream: UpstreamManager) -> None:
        self.api = api
        self.spans = spans
        self.upstream = upstream

    def post(self, path: str, arguments: object, **headers: str) -> tuple[httpx.Response, str]:
        """Call within a trace that is new, and return the reply and the trace."""
        trace = secrets.token_hex(16)
        parent = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.api.client.post(path, json=arguments, headers=parent | given), trace

    def entry(self, trace: str) -> Seen:
        """Return a call's own span."""
        (span,) = self.spans.wait(lambda each: each.trace == trace and each.message.kind == 2)
        return span


@pytest.fixture(scope="module")
def traced(seeded_database_url_for_module: str) -> Iterator[Traced]:
    with SpanCollector() as spans, UpstreamManager() as upstream:
        options = (
            "traces.enabled=true", f"traces.endpoint={spans.endpoint}", "traces.sample_ratio=0",
            "traces.service_name=db", f"api.fallback_url={upstream.url}",
        )  # fmt: skip
        with ApiProcess(seeded_database_url_for_module, *options) as api:
            yield Traced(api, spans, upstream)


def test_a_call_is_a_span_of_its_callers_trace(traced: Traced) -> None:
    reply, trace = traced.post(
        "/get_execution_kv_data", {"user_id": "secret-user", "key": "secret-key"},
        tracestate="rojo=1", x_request_id="asked-for",
    )  # fmt: skip
    assert reply.status_code == 200
    span = traced.entry(trace)
    assert span.name == "POST /get_execution_kv_data"
    assert span.parent == "00f067aa0ba902b7"
    assert span.message.trace_state == "rojo=1"
    assert span.message.status.code == 0
    assert span.resource["service.name"] == "db"
    told = span.told
    told.pop("autogpt_db.pool_wait", None)  # where it has waited
    assert told == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "http.route": "/get_execution_kv_data",
        "url.scheme": "http",
        "network.protocol.version": "1.1",
        "autogpt_db.request_id": "asked-for",
        "autogpt_db.rows": told["autogpt_db.rows"],
    }
    assert b"secret" not in span.message.SerializeToString()


def test_a_traced_calls_records_say_so(traced: Traced) -> None:
    _, trace = traced.post("/fail_with_a_bug", {})
    span = traced.entry(trace)
    (bug,) = traced.api.events("internal_error")
    (line,) = [each for each in traced.api.events("request") if each.get("trace_id") == trace]
    for record in (bug, line):
        assert (record["trace_id"], record["span_id"]) == (trace, span.id)
    assert (span.message.status.code, span.told["error.type"]) == (2, "InternalError")
    traced.api.client.post("/echo", json={"text": "a"}, headers={"x-request-id": "untraced"})
    untraced = wait_for(lambda: line_of(traced.api, "untraced"), what="its line")
    assert "trace_id" not in untraced


def line_of(api: ApiProcess, request_id: str) -> dict[str, Any] | None:
    """Return a request's line, once it is written: behind its reply."""
    lines = [each for each in api.events("request") if each["request_id"] == request_id]
    return lines[0] if lines else None


def test_a_client_takes_its_calls_into_its_trace(traced: Traced) -> None:
    trace = secrets.token_hex(16)

    def inject(headers: dict[str, str]) -> None:
        """Do what `opentelemetry.propagate.inject` does."""
        headers["traceparent"] = f"00-{trace}-00f067aa0ba902b7-01"

    with Client(traced.api.base, inject=inject) as client:
        client.call("tell_time", reads=True)
    assert traced.entry(trace).name == "POST /tell_time"

    async def call() -> None:
        async with AsyncClient(traced.api.base, inject=inject) as other:
            await other.with_options(timeout=PATIENCE).call("echo", text="a")

    asyncio.run(call())
    traced.spans.wait(lambda each: (each.trace, each.name) == (trace, "POST /echo"))


def test_a_replay_is_told_from_the_call_that_did_the_work(traced: Traced) -> None:
    arguments = {"user_id": "alice", "node_exec_id": "n", "key": "k", "data": {"a": 1}}
    for replayed in (False, True):
        reply, trace = traced.post("/set_execution_kv_data", arguments, idempotency_key="one-key")
        assert reply.status_code == 200
        assert traced.entry(trace).told["autogpt_db.replayed"] is replayed


def test_a_failure_is_told_by_its_kind(traced: Traced) -> None:
    for path, arguments, status, kind in (
        ("/get_user_by_id", {"user_id": "nobody-secret"}, 400, "UserNotFoundError"),
        ("/get_user_by_id", {}, 422, "ArgumentsInvalidError"),
        ("/of.a.stranger", {}, 404, "NotServedError"),
    ):
        reply, trace = traced.post(path, arguments)
        assert reply.status_code == status
        span = traced.entry(trace)
        assert (span.told["http.response.status_code"], span.message.status.code) == (status, 0)
        assert span.told["error.type"] == kind
        assert b"secret" not in span.message.SerializeToString()
        # Strangers' names are as many as they like.
        assert span.name == ("POST" if status == 404 else f"POST {path}")


def test_what_is_no_parent_is_ignored(traced: Traced) -> None:
    """Nothing is refused for it, and nobody who is not asked to is traced."""
    before = len(traced.spans.spans)
    for header in ("", "x", f"00-{'a' * 32}-{'b' * 16}-00", "00-" + "0" * 32, "ff" * 3000):
        reply = traced.api.client.post(
            "/get_user_by_id", json={"user_id": "alice"}, headers={"traceparent": header}
        )
        assert reply.status_code == 200, header
    twice = [("traceparent", f"00-{'a' * 32}-{'b' * 16}-01")] * 2
    reply = traced.api.client.post("/get_user_by_id", json={"user_id": "alice"}, headers=twice)
    assert reply.status_code == 200
    for path in ("/live", "/ready", "/health_check", "/metrics"):
        parent = {"traceparent": f"00-{'c' * 32}-{'b' * 16}-01"}
        assert traced.api.client.get(path, headers=parent).status_code == 200
    _, trace = traced.post("/get_user_by_id", {"user_id": "alice"})
    traced.entry(trace)
    assert {each.trace for each in traced.spans.spans[before:]} == {trace}


def test_a_statement_is_a_part_of_its_call_and_tells_its_kind_alone(traced: Traced) -> None:
    _, trace = traced.post("/get_user_by_id", {"user_id": "alice"})
    call = traced.entry(trace)
    (statement,) = traced.spans.wait(lambda each: each.parent == call.id)
    assert statement.name == "SELECT get_user_by_id"
    assert statement.message.kind == 3
    told = statement.told
    assert told.pop("server.address")
    assert told.pop("db.namespace")
    assert told == {
        "db.system.name": "postgresql",
        "db.operation.name": "SELECT",
        "db.query.summary": "SELECT get_user_by_id",
        "db.response.returned_rows": 1,
    }
    assert b"alice" not in statement.message.SerializeToString()
    begins, ends = call.message.start_time_unix_nano, call.message.end_time_unix_nano
    assert begins <= statement.message.start_time_unix_nano
    assert statement.message.end_time_unix_nano <= ends


def test_a_transaction_holds_its_statements(traced: Traced) -> None:
    """A key's row, the work and the reply are written together."""
    _, trace = traced.post(
        "/increment_onboarding_runs", {"user_id": "alice"}, idempotency_key="onboarding"
    )
    call = traced.entry(trace)
    spans = traced.spans.of(trace)
    (transaction,) = (each for each in spans if each.name == "transaction")
    inside = [each for each in spans if each.parent == transaction.id]
    assert transaction.parent == call.id
    assert len(inside) >= 3
    assert all(each.message.kind == 3 for each in inside)


def test_a_statement_that_fails_says_postgresqls_code(traced: Traced) -> None:
    reply, trace = traced.post("/tell_time", {"zone": "of nobody"})
    assert reply.status_code >= 400
    call = traced.entry(trace)
    (failed,) = (each for each in traced.spans.of(trace) if each.message.kind == 3)
    assert failed.message.status.code == 2
    assert failed.told["db.response.status_code"] == "22023"
    assert failed.told["error.type"] == "InvalidParameterValue"
    assert call.told["db.response.status_code"] == "22023"
    assert b"nobody" not in failed.message.SerializeToString() + call.message.SerializeToString()


def test_calls_that_are_merged_and_their_batch_are_linked(traced: Traced) -> None:
    """A batch is nobody's part: it is a trace of its own, linked with each call that it bears."""
    url, count = f"{traced.api.base}/set_execution_kv_data", 40
    traces = [secrets.token_hex(16) for _ in range(count)]

    async def call_all() -> None:
        async with httpx.AsyncClient(
            verify=False, limits=httpx.Limits(max_connections=count)
        ) as client:
            replies = await asyncio.gather(
                *(
                    client.post(
                        url,
                        json={"user_id": "alice", "node_exec_id": "n", "key": trace, "data": 1},
                        headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"},
                        timeout=PATIENCE,
                    )
                    for trace in traces
                )
            )
            assert {reply.status_code for reply in replies} == {200}

    asyncio.run(call_all())
    entries = {trace: traced.entry(trace) for trace in traces}
    batches = {(each.trace, each.id): each for each in traced.spans.spans if each.links}
    batches = {at: each for at, each in batches.items() if each.name.startswith("batch ")}
    merged = 0
    for trace, entry in entries.items():
        parts = traced.spans.of(trace, 2)
        for part in parts:
            if part.name != "merge set_execution_kv_data" or not part.links:
                continue
            (batch,) = (batches[link] for link in part.links)
            assert part.parent == entry.id
            assert (trace, part.id) in batch.links
            merged += 1
    assert merged > 10, "so many at once go together"
    for batch in batches.values():
        assert batch.trace not in traces
        assert batch.told["db.operation.batch.size"] == len(batch.links)
        statements = [each for each in traced.spans.of(batch.trace) if each.parent == batch.id]
        assert "INSERT set_execution_kv_data" in {each.name for each in statements}
    assert sum(len(batch.links) for batch in batches.values()) == merged


def test_a_call_that_is_passed_on_goes_on_as_a_part_of_the_trace(traced: Traced) -> None:
    reply, trace = traced.post("/answer", {"a": 1}, tracestate="rojo=1")
    assert reply.status_code == 200
    call = traced.entry(trace)
    (part,) = traced.spans.wait(lambda each: each.parent == call.id)
    assert (call.name, part.name, part.message.kind) == ("POST /answer", "POST /answer", 3)
    assert part.told["http.response.status_code"] == 200
    assert part.told["server.address"] in traced.upstream.url
    sent = traced.upstream.requests[-1][1]
    assert sent["traceparent"] == f"00-{trace}-{part.id}-01"
    assert sent["tracestate"] == "rojo=1"
    # What its caller doesn't trace goes on as it came.
    untraced = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-00"}
    assert traced.api.client.post("/answer", json={}, headers=untraced).status_code == 200
    assert traced.upstream.requests[-1][1]["traceparent"] == untraced["traceparent"]


def under_way(api: ApiProcess) -> float:
    """Return how many requests are served now, this one included."""
    return total(parse(api.client.get("/metrics").text), families.IN_FLIGHT)


def test_who_waits_for_a_connection_shows_it(seeded_database_url: str) -> None:
    """One connection, which a lock holds: the second call waits for it."""
    with SpanCollector() as spans:
        options = (
            "traces.enabled=true", f"traces.endpoint={spans.endpoint}", "traces.sample_ratio=1",
            "database.pool_size=1",
        )  # fmt: skip
        with (
            ApiProcess(seeded_database_url, *options) as api,
            psycopg.connect(seeded_database_url) as locker,
        ):
            locker.execute('LOCK TABLE platform."AgentNodeExecutionKeyValueData"')
            with ThreadPoolExecutor() as threads:
                given = {"user_id": "alice", "key": "k"}
                first = threads.submit(api.call, "get_execution_kv_data", **given)
                await_lock(seeded_database_url, what="the first call to wait")
                second = threads.submit(api.call, "get_user_by_id", user_id="alice")
                wait_for(lambda: under_way(api) == 3, what="the second call, and who looks")
                locker.rollback()
                first.result()
                second.result()
            (wait,) = spans.wait(lambda each: each.name == "wait for connection")
            (call,) = spans.wait(lambda each: each.name == "POST /get_user_by_id")
    assert (wait.trace, wait.parent) == (call.trace, call.id)
    assert wait.told == {"autogpt_db.lane": "usual"}
    seconds = (wait.message.end_time_unix_nano - wait.message.start_time_unix_nano) / 1e9
    assert seconds == pytest.approx(call.told["autogpt_db.pool_wait"], abs=0.05)


def test_a_stop_sends_what_waits_and_a_dead_collector_holds_up_none(
    seeded_database_url: str,
) -> None:
    on = ("traces.enabled=true", "traces.sample_ratio=1")
    with SpanCollector() as spans:
        given = (*on, f"traces.endpoint={spans.endpoint}")
        with ApiProcess(seeded_database_url, *given) as api:
            api.call("get_user_by_id", user_id="alice")
            api.signal()
            assert api.exit_code() == 0
        assert any(span.name == "POST /get_user_by_id" for span in spans.spans)
    with ApiProcess(seeded_database_url, *given) as api:  # nobody is there any more
        for _ in range(20):
            api.call("get_user_by_id", user_id="alice")
        api.signal()
        assert api.exit_code() == 0
        (behind,) = api.events("traces_left_behind")
        assert behind["spans"] >= 20
        assert len(api.events("traces_not_exported")) == 1
