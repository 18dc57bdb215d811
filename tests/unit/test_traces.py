"""Spans on their way to a collector, which takes them, doesn't, or isn't there: nobody waits."""

from __future__ import annotations

import asyncio
import functools
import socket
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ParamSpec

import pytest
from structlog.testing import capture_logs

from autogpt_db.api.heads import Heads
from autogpt_db.api.tracing import begin_span
from autogpt_db.backoff import Backoff
from autogpt_db.database.pool.tracing import kind_of
from autogpt_db.errors import ConfigurationError
from autogpt_db.metrics import families
from autogpt_db.metrics.store import Store
from autogpt_db.operations import load_operations
from autogpt_db.settings import TracesSettings, load_settings
from autogpt_db.settings.api import ApiSettings
from autogpt_db.settings.declaration import Secret
from autogpt_db.settings.traces import endpoint_of, headers_of
from autogpt_db.spans import MOST_SPANS, Kind
from autogpt_db.traces import exporter, open_tracer
from autogpt_db.traces.exporter import BATCH
from span_collector import SpanCollector
from waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path

    from autogpt_db.traces.tracer import Tracer


Given = ParamSpec("Given")


def on_a_loop(scenario: Callable[Given, Coroutine[Any, Any, None]]) -> Callable[Given, None]:
    """Run a scenario on an event loop of its own."""

    @functools.wraps(scenario)
    def run(*given: Given.args, **named: Given.kwargs) -> None:
        asyncio.run(scenario(*given, **named))

    return run


def settings(endpoint: str, **options: Any) -> TracesSettings:
    return TracesSettings(enabled=True, endpoint=endpoint, sample_ratio=1.0, **options)


@asynccontextmanager
async def opened(options: TracesSettings, store: Store) -> AsyncIterator[Tracer]:
    tracer = open_tracer(options, store)
    assert tracer is not None
    try:
        yield tracer
    finally:
        await tracer.close(PATIENCE)


def count(store: Store, outcome: str) -> int:
    return int(store.values[store.place(families.SPANS, outcome)])


def end_run(tracer: Tracer, name: str = "job tidy") -> None:
    span = tracer.begin_run(name)
    assert span is not None
    span.end()


async def counted(store: Store, outcome: str, expected: int) -> None:
    """Wait until so many spans have ended so."""
    async with asyncio.timeout(PATIENCE):
        while count(store, outcome) != expected:
            await asyncio.sleep(0.01)


@on_a_loop
async def test_a_span_comes_with_all_that_is_said_of_it() -> None:
    store = Store(None, "api_00")
    with SpanCollector() as collector:
        options = settings(
            collector.endpoint, headers=Secret("Authorization=Bearer%20k%2Cey, x-team=a=b")
        )
        began = time.time_ns()
        async with opened(options, store) as tracer:
            caller = b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"
            call = tracer.begin_call("POST", time.monotonic(), caller, b"rojo=1")
            assert call is not None
            part = call.begin("SELECT get_node", Kind.CLIENT)
            other = tracer.begin_run("batch")
            assert other is not None
            part.links.append(other.link)
            part.attributes |= {"text": "ä", "number": 7, "share": 0.5, "whole": True}
            part.fail(ValueError("nobody shall read this"))
            part.end()
            call.end()
        ended = time.time_ns()
        part_seen, call_seen = collector.spans
        assert collector.headers["authorization"] == "Bearer k,ey"
        assert collector.headers["x-team"] == "a=b"
    assert (call_seen.trace, call_seen.parent) == ("a" * 32, "b" * 16)
    assert (part_seen.trace, part_seen.parent) == ("a" * 32, call_seen.id)
    assert call_seen.message.trace_state == part_seen.message.trace_state == "rojo=1"
    assert part_seen.links == {(other.trace_id, other.span_id)}
    assert (call_seen.message.kind, part_seen.message.kind) == (2, 3)
    assert (call_seen.message.status.code, part_seen.message.status.code) == (0, 2)
    assert part_seen.told == {
        "text": "ä", "number": 7, "share": 0.5, "whole": True, "error.type": "ValueError"
    }  # fmt: skip
    assert b"nobody shall read" not in part_seen.message.SerializeToString()
    for message in (call_seen.message, part_seen.message):
        assert began <= message.start_time_unix_nano <= message.end_time_unix_nano <= ended
    assert call_seen.resource["service.name"] == "autogpt-db"
    assert call_seen.resource["service.instance.id"].endswith(":api_00")
    assert count(store, "sent") == 2


@on_a_loop
async def test_who_is_traced_is_decided_by_the_caller_and_else_by_the_ratio() -> None:
    store = Store(None, "api_00")
    traced, untraced = b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01", b"00-" + b"a" * 32
    untraced += b"-" + b"b" * 16 + b"-00"
    with SpanCollector() as collector:
        never = TracesSettings(enabled=True, endpoint=collector.endpoint, sample_ratio=0.0)
        for options, expected in ((settings(collector.endpoint), True), (never, False)):
            async with opened(options, store) as tracer:
                for header, decided in (
                    (None, None),
                    (b"broken", None),
                    (traced, True),
                    (untraced, False),
                ):
                    found = tracer.begin_call("POST", 0.0, header, None)
                    assert (found is not None) is (expected if decided is None else decided)
                    assert found is None or not found.trace.state
                assert (tracer.begin_run("job") is not None) is expected
        some = TracesSettings(enabled=True, endpoint=collector.endpoint, sample_ratio=0.1)
        async with opened(some, store) as tracer:
            share = sum(tracer.begin_run("job") is not None for _ in range(10_000)) / 10_000
            assert 0.05 < share < 0.15
        assert not collector.requests


@on_a_loop
async def test_who_lacks_the_token_decides_nothing() -> None:
    heads = Heads(ApiSettings())
    heads.take_over({"/get_credits": load_operations()["get_credits"]})
    parent = b"traceparent: 00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"
    text = b"POST /get_credits HTTP/1.1\r\ncontent-length: 2\r\n" + parent + b"\r\n\r\n"
    found = heads.find(text)
    assert found is not None
    with SpanCollector() as collector:
        never = TracesSettings(enabled=True, endpoint=collector.endpoint, sample_ratio=0.0)
        async with opened(never, Store(None, "api_00")) as tracer:
            for allowed in (True, False):
                head = found[0]._replace(allowed=allowed)
                assert (begin_span(tracer, head, "r", 0.0) is not None) is allowed


@on_a_loop
async def test_a_collector_that_is_away_is_told_of_once_and_found_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exporter, "INTERVAL", 0.01)
    monkeypatch.setattr(exporter, "BETWEEN_TRIES", Backoff(first=0.01, longest=0.02))
    store = Store(None, "api_00")
    with SpanCollector() as collector, capture_logs() as records:
        async with opened(settings(collector.endpoint), store) as tracer:
            for status, outcome in ((503, "failed"), (404, "refused"), (401, "refused")):
                collector.status = status
                expected = count(store, outcome) + 1
                end_run(tracer)
                await counted(store, outcome, expected)
            collector.status = 200
            collector.rejects = 1
            end_run(tracer)
            await counted(store, "refused", 3)
            collector.rejects = 0
            end_run(tracer)
            await counted(store, "sent", 1)
            end_run(tracer)
            await counted(store, "sent", 2)
    told = [record for record in records if record["event"].startswith("traces_")]
    assert [record["event"] for record in told] == ["traces_not_exported", "traces_exported_again"]
    assert told[0]["reason"] == "HTTP 503"
    assert told[0]["address"] == f"127.0.0.1:{collector.port}"


@pytest.mark.parametrize("how", ["silent", "closed", "dripping", "no HTTP"])
@on_a_loop
async def test_what_waits_is_bounded_and_so_is_the_end(how: str) -> None:
    store = Store(None, "api_00")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if how != "closed":
            listener.listen()
        endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}/v1/traces"
        tracer = open_tracer(settings(endpoint, queue_limit=BATCH, export_timeout=PATIENCE), store)
        assert tracer is not None
        speaking = asyncio.create_task(_speak(listener, how))
        began = time.monotonic()
        for _ in range(5 * BATCH):
            end_run(tracer)
        recorded = time.monotonic() - began
        await tracer.close(0.3)
        ended = time.monotonic() - began - recorded
        speaking.cancel()
    assert recorded < PATIENCE / 4, "nobody who records waits"
    assert ended < PATIENCE / 4, "nor does the end"
    lost = sum(count(store, each) for each in ("left out", "left behind", "refused", "failed"))
    assert lost == 5 * BATCH
    assert count(store, "left out") >= 3 * BATCH


async def _speak(listener: socket.socket, how: str) -> None:
    """Answer in a way that helps nobody."""
    loop = asyncio.get_running_loop()
    listener.setblocking(False)
    words = {"dripping": b"HTTP/1.1 200 OK\r\nx: " + b"y" * 10_000, "no HTTP": b"what?\r\n" * 10}
    while how in words:
        client, _ = await loop.sock_accept(listener)
        with client:
            for byte in words[how]:
                await loop.sock_sendall(client, bytes([byte]))
                await asyncio.sleep(0.01)


@on_a_loop
async def test_a_trace_has_so_many_spans_and_says_how_many_more() -> None:
    store = Store(None, "worker_00")
    with SpanCollector() as collector:
        async with opened(settings(collector.endpoint), store) as tracer:
            run = tracer.begin_run("job retain")
            assert run is not None
            for _ in range(MOST_SPANS + 5):
                run.begin("DELETE retain").end()
            run.end()
        assert len(collector.spans) == MOST_SPANS + 1
        assert collector.spans[-1].told == {"autogpt_db.spans_left_out": 5}


def test_a_statements_kind_is_the_first_change_that_it_makes() -> None:
    for text, kind in (
        ("SELECT 1", "SELECT"),
        ("WITH a AS (SELECT 1 FOR NO KEY UPDATE), b AS (SELECT 2 FOR UPDATE) SELECT 1", "SELECT"),
        ("WITH a AS (UPDATE x SET y = 1 RETURNING 1) DELETE FROM z", "UPDATE"),
        ("INSERT INTO x SELECT 1 ON CONFLICT (y) DO UPDATE SET y = 1", "INSERT"),
        ("DELETE FROM x", "DELETE"),
    ):
        assert kind_of(text) == kind, text


def test_nothing_of_it_is_imported_where_it_is_off() -> None:
    """Main, admin listener, API and workers: neither what it needs, nor more than its door."""
    code = (
        "import sys; import autogpt_db.main, autogpt_db.admin, autogpt_db.api, autogpt_db.worker,"
        " autogpt_db.rest.routes;"
        "from autogpt_db.traces import open_tracer; from autogpt_db.settings import TracesSettings;"
        "assert open_tracer(TracesSettings(), None) is None;"
        "print([name for name in sys.modules if name.startswith('autogpt_db.traces.')"
        " or name.partition('.')[0] in {'opentelemetry', 'google'}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_an_endpoint_is_an_address_and_a_path() -> None:
    assert endpoint_of("http://h:4318/v1/traces") == ("h", 4318, "/v1/traces", False)
    assert endpoint_of("https://[::1]/x?key=1") == ("::1", 443, "/x?key=1", True)
    assert endpoint_of("https://[::1]/x").address == "[::1]:443"
    for wrong in (
        "h:4318", "grpc://h:4317", "http://", "http://u:p@h/", "http://h/#x", "http://h:x/",
        "http://h/a b", "http://h/\r\nx: y",
    ):  # fmt: skip
        with pytest.raises(ValueError):  # noqa: PT011 - its words are contradictions.py's
            endpoint_of(wrong)


def test_headers_are_names_and_values() -> None:
    assert headers_of("") == []
    assert headers_of("api-key=s3cret, X-B = a%20b%3Dc=d ,") == [
        ("api-key", "s3cret"), ("x-b", "a b=c=d"),
    ]  # fmt: skip
    for wrong in ("x", "=1", "a b=1", "a=", "a=%0d%0ax: y", "a=ä", "a=%ff"):
        with pytest.raises(ValueError):  # noqa: PT011 - its words are contradictions.py's
            headers_of(wrong)


def test_settings_are_refused_by_name_and_without_the_secret(tmp_path: Path) -> None:
    wrong = (
        "traces.endpoint=localhost:4318", "traces.headers=s3cret",
        f"state_directory={tmp_path}", f"runtime_directory={tmp_path}",
    )  # fmt: skip
    load_settings(assignments=wrong, environment={})  # off nothing is wrong
    with pytest.raises(ConfigurationError) as refused:
        load_settings(assignments=("traces.enabled=true", *wrong), environment={})
    assert {each.partition(":")[0] for each in refused.value.problems} == {
        "traces.endpoint", "traces.headers",
    }  # fmt: skip
    assert "s3cret" not in "".join(refused.value.problems)


def test_a_package_that_is_missing_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    """As it is in an environment that lacks it: its folder hides the real one."""
    (tmp_path / "opentelemetry").mkdir()
    (tmp_path / "opentelemetry" / "__init__.py").touch()
    done = subprocess.run(
        [sys.executable, "-m", "autogpt_db", "--set", "traces.enabled=true", "config"],
        env={"PYTHONPATH": str(tmp_path), "AUTOGPT_DB_CONFIG": "/dev/null"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 78
    assert "pip install 'autogpt-db[traces]'" in done.stderr
    assert "Traceback" not in done.stderr
