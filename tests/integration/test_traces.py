"""Traces of calls: what comes to a collector, and that it is nothing that users have written."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from api_process import ApiProcess
from span_collector import SpanCollector

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from span_collector import Seen


class Traced:
    """An API process whose spans come to a collector; only what says so is traced.

    Attributes:
        api: It.
        spans: The collector.
    """

    def __init__(self, api: ApiProcess, spans: SpanCollector) -> None:
        self.api = api
        self.spans = spans

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
    with SpanCollector() as spans:
        options = (
            "traces.enabled=true", f"traces.endpoint={spans.endpoint}", "traces.sample_ratio=0",
            "traces.service_name=db",
        )  # fmt: skip
        with ApiProcess(seeded_database_url_for_module, *options) as api:
            yield Traced(api, spans)


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
    assert told.pop("autogpt_db.pool_wait") >= 0
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
        ("/of_a_stranger", {}, 404, "NotServedError"),
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
