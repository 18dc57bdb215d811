"""Methods that we lack: 404, or AutoGPT's own DatabaseManager answers them."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx
import pytest

import plain_http
from api_process import ApiProcess, in_background, read_reply, request
from daemon_process import free_port
from upstream_manager import UpstreamManager
from waiting import wait_for


@pytest.fixture(scope="module")
def upstream() -> Iterator[UpstreamManager]:
    with UpstreamManager() as server:
        yield server


@pytest.fixture(autouse=True)
def fresh(upstream: UpstreamManager) -> None:
    upstream.more.clear()
    upstream.seen.clear()
    upstream.requests.clear()


@pytest.fixture(scope="module")
def api(seeded_database_url_for_module: str, upstream: UpstreamManager) -> Iterator[ApiProcess]:
    with ApiProcess(
        seeded_database_url_for_module,
        f"api.fallback_url={upstream.url}/",
        "api.fallback_timeout=5",
        "api.fallback_concurrency=2",
        "api.body_limit=65536",
        "api.token=ours",
        "logging.slow_request=3",
    ) as process:
        process.client.headers["authorization"] = "Bearer ours"
        yield process


def test_without_a_fallback_it_is_404_and_one_warning_for_each_name(
    seeded_database_url_for_module: str,
) -> None:
    with ApiProcess(
        seeded_database_url_for_module, environment={"PYTHONPROFILEIMPORTTIME": "1"}
    ) as api:
        # No release has such methods, whatever tables the tests start from.
        for name in ("get_tomorrow", "get_tomorrow", "add_message", "9x", "a.b"):
            reply = api.client.post(f"/{name}", json={})
            assert (reply.status_code, reply.content) == (404, b'{"detail":"Not Found"}')
        assert api.client.get("/get_workspace").status_code == 404
        wait_for(lambda: "add_message" in api.log())
        told = [record["method"] for record in api.events("method_unknown")]
        assert told == ["get_tomorrow", "add_message"]
        # The start-up times of imports show what was imported.
        imported = {line.rpartition("|")[2].strip() for line in api.log().splitlines()}
        assert "autogpt_db.api.unknown" in imported
        assert not {"httpx", "httpcore", "autogpt_db.api.fallback"} & imported


def test_a_call_and_its_answer_pass_as_they_are(api: ApiProcess, upstream: UpstreamManager) -> None:
    reply = api.client.post(
        "/answer",
        content=b'{ "as" : "it \xc3\xa4s"}',
        headers={
            "content-type": "application/json",
            "accept-encoding": "identity",
            "idempotency-key": "one",
            "connection": "keep-alive, x-mine-alone",
            "x-mine-alone": "1",
            "te": "trailers",
            "x-request-id": "asked-42",
        },
    )
    assert (reply.status_code, reply.content) == (201, b'{ "as" : "it \xc3\xa4s"}')
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-theirs"] == "1"
    assert reply.headers.get_list("server") == ["autogpt-db"]
    assert len(reply.headers.get_list("date")) == 1
    assert reply.headers.get_list("x-request-id") == ["asked-42"]
    ((path, headers, body),) = upstream.requests
    assert (path, body) == ("/answer", reply.content)
    assert headers["content-length"] == str(len(body))
    assert headers["idempotency-key"] == "one"
    assert headers["x-request-id"] == "asked-42"
    assert headers["autogpt-db-passed-on"] == "1"
    assert upstream.url.endswith(headers["host"])
    for dropped in ("authorization", "te", "x-mine-alone", "transfer-encoding"):
        assert dropped not in headers


def test_without_a_token_of_ours_the_callers_credentials_pass(
    seeded_database_url_for_module: str, upstream: UpstreamManager
) -> None:
    with ApiProcess(seeded_database_url_for_module, f"api.fallback_url={upstream.url}") as api:
        api.client.post("/answer", json={}, headers={"authorization": "Bearer theirs"})
    ((_, headers, _),) = upstream.requests
    assert headers["authorization"] == "Bearer theirs"


def test_the_token_is_asked_for_before_anything_is_passed_on(
    api: ApiProcess, upstream: UpstreamManager
) -> None:
    assert plain_http.post(f"{api.base}/answer", json={}).status_code == 401
    assert upstream.requests == []


def test_our_own_methods_are_not_passed_on(api: ApiProcess, upstream: UpstreamManager) -> None:
    assert api.client.post("/get_user_by_id", json={"user_id": "nobody"}).status_code == 400
    assert api.client.post("/echo", json={"text": "x"}).status_code == 200
    assert api.client.get("/answer").status_code == 404
    assert api.client.post("/answer/more").status_code == 404
    assert upstream.requests == []


def test_a_failure_passes_as_it_is(api: ApiProcess) -> None:
    reply = api.client.post("/fail", json={})
    assert reply.status_code == 400
    assert reply.json() == {"type": "NotFoundError", "args": ["no chat"], "extras": None}


def test_a_compressed_answer_stays_compressed(api: ApiProcess) -> None:
    with api.client.stream(
        "POST", "/answer", content=b'"text"', headers={"accept-encoding": "gzip"}
    ) as reply:
        assert reply.headers["content-encoding"] == "gzip"
        assert reply.read() == b'"text"'


def test_an_answer_is_streamed(api: ApiProcess, upstream: UpstreamManager) -> None:
    with api.client.stream("POST", "/stream", json={}) as reply:
        pieces = reply.iter_raw()
        first = next(pieces)  # while the rest isn't there yet
        upstream.more.set()
        assert first + b"".join(pieces) == b'{"first": 1,"second": 2}'


def test_a_request_is_streamed(api: ApiProcess, upstream: UpstreamManager) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"x" * 1000
        wait_for(lambda: "first piece" in upstream.seen)
        yield b"y" * 1000

    assert api.client.post("/read_slowly", content=pieces()).json() == 2000


def test_a_body_beyond_the_limit_is_refused(api: ApiProcess, upstream: UpstreamManager) -> None:
    assert api.client.post("/answer", content=b"x" * 70_000).status_code == 413
    assert upstream.requests == []

    def pieces() -> Iterator[bytes]:
        for _ in range(70):
            yield b"x" * 1000

    assert api.client.post("/read_slowly", content=pieces()).status_code == 413
    wait_for(lambda: "body cut" in upstream.seen)


def test_no_answer_in_time_is_503(
    seeded_database_url_for_module: str, upstream: UpstreamManager
) -> None:
    with ApiProcess(
        seeded_database_url_for_module,
        f"api.fallback_url={upstream.url}",
        "api.fallback_timeout=0.3",
        "api.request_deadline=20",
    ) as api:
        replies = []

        def arrived() -> bool:
            # On a busy machine a call's time may be over before it has come there.
            replies.append(api.client.post("/hang", json={}))
            return "hanging" in upstream.seen

        wait_for(arrived, what="a call to come there in time")
        for reply in replies:
            assert reply.status_code == 503
            assert int(reply.headers["retry-after"]) >= 1
            assert reply.json()["type"] == "ConnectionError"
        assert "may have been applied" in replies[-1].json()["args"][0]
        wait_for(lambda: "left" in upstream.seen)
        *_, failed = api.events("fallback_failed")
        assert "fallback_timeout" in failed["reason"]


def test_it_may_take_longer_than_our_own_methods(
    seeded_database_url_for_module: str, upstream: UpstreamManager
) -> None:
    with ApiProcess(
        seeded_database_url_for_module,
        f"api.fallback_url={upstream.url}",
        "api.request_deadline=0.5",
    ) as api:
        slow = in_background(lambda: api.client.post("/sleep_reading", json={"seconds": 9}))
        passed_on = in_background(lambda: plain_http.post(f"{api.base}/hang", json={}, timeout=30))
        assert wait_for(lambda: slow)[0].status_code == 503
        assert passed_on == []
        upstream.more.set()
        assert wait_for(lambda: passed_on)[0].status_code == 200


def test_too_many_at_once_are_503(api: ApiProcess, upstream: UpstreamManager) -> None:
    headers = {"authorization": "Bearer ours"}
    held = [
        in_background(lambda: plain_http.post(f"{api.base}/hang", headers=headers, timeout=30))
        for _ in range(2)
    ]
    wait_for(lambda: len(upstream.requests) == 2)
    reply = api.client.post("/answer", json={})
    assert reply.status_code == 503
    assert "retry-after" in reply.headers
    upstream.more.set()
    for replies in held:
        assert wait_for(lambda replies=replies: replies)[0].json() is None
    assert api.client.post("/answer", json={}).status_code < 300


def test_an_absent_service_is_503(seeded_database_url_for_module: str) -> None:
    port = free_port()
    with ApiProcess(
        seeded_database_url_for_module, f"api.fallback_url=http://127.0.0.1:{port}"
    ) as api:
        reply = api.client.post("/answer", json={})
        assert reply.status_code == 503
        assert int(reply.headers["retry-after"]) >= 1
        assert "nothing was done" in reply.json()["args"][0]
        assert api.client.post("/echo", json={"text": "x"}).status_code == 200


def test_an_answer_that_breaks_off_does_not_look_whole(api: ApiProcess) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        api.client.post("/die", json={})
    assert api.client.post("/fail", json={}).status_code == 400


def test_a_client_that_leaves_takes_its_call_along(
    api: ApiProcess, upstream: UpstreamManager
) -> None:
    for name, sign in (("hang", "left"), ("stream", "stream cancelled")):
        with api.connect() as connection:
            connection.sendall(request(name, b"{}", "authorization: Bearer ours"))
            wait_for(lambda: upstream.requests)
            if name == "stream":
                assert connection.recv(65536)
        wait_for(lambda sign=sign: sign in upstream.seen, what=sign)
        upstream.requests.clear()


def test_nothing_goes_round_in_circles(seeded_database_url_for_module: str) -> None:
    port = free_port()
    with (
        ApiProcess(
            seeded_database_url_for_module, f"api.fallback_url=http://127.0.0.1:{port}"
        ) as one,
        ApiProcess(
            seeded_database_url_for_module, f"api.port={port}", f"api.fallback_url={one.base}"
        ) as other,
    ):
        for _ in range(2):
            assert one.client.post("/get_tomorrow", json={}).status_code == 404
        (told,) = other.events("method_unknown")
        assert "leads back" in told["reason"]


def test_calls_are_counted_by_name(
    seeded_database_url_for_module: str, upstream: UpstreamManager
) -> None:
    with ApiProcess(seeded_database_url_for_module, f"api.fallback_url={upstream.url}") as api:
        for name in ("answer", "fail", "answer"):
            api.client.post(f"/{name}", json={})
        shown = api.client.get("/metrics").text
        assert 'autogpt_db_calls_passed_on_total{method="answer"} 2\n' in shown
        api.client.close()
        api.signal()
        assert api.exit_code() == 0
        (counted,) = api.events("calls_passed_on")
        assert counted["methods"] == {"answer": 2, "fail": 1}
        assert [r["method"] for r in api.events("method_passed_on")] == ["answer", "fail"]


def test_pipelined_requests_keep_their_order(api: ApiProcess) -> None:
    token = "authorization: Bearer ours"
    with socket.create_connection(("127.0.0.1", api.port), timeout=15) as connection:
        connection.sendall(request("fail", b"{}", token) + request("echo", b'{"text":"x"}', token))
        assert read_reply(connection)[0] == 400
        assert read_reply(connection)[0] == 200
