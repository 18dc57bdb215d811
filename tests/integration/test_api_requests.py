"""Requests over HTTP: routes, bodies, failures, as the contract has them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api_process import ApiProcess
from postgres_server import PostgresServer
from waiting import wait_for

JSON = {"content-type": "application/json"}
NAN = b'{"text": "x", "document": NaN}'
DEEP = b'{"text": "x", "document": ' + b"[" * 10_000 + b"]" * 10_000 + b"}"


@pytest.fixture(scope="module")
def api(
    postgres_server: PostgresServer,
    migrated_template: str,
) -> Iterator[ApiProcess]:
    from postgres_server import clone, unique_name  # the same server for the whole module

    name = unique_name("requests")
    with ApiProcess(
        clone(postgres_server, migrated_template, name), "api.body_limit=33554432"
    ) as a:
        yield a
    postgres_server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def post(
    api: ApiProcess, body: bytes, method: str = "echo", headers: dict[str, str] | None = None
) -> httpx.Response:
    chosen = JSON if headers is None else headers
    return api.client.post(f"/{method}", content=body, headers=chosen)


def detail(reply: httpx.Response) -> list[dict[str, Any]]:
    assert reply.status_code == 422, reply.text
    assert reply.headers["content-type"] == "application/json"
    found: list[dict[str, Any]] = reply.json()["detail"]
    return found


# Routes ------------------------------------------------------------------------------------------


def test_a_reply_is_bare_json_with_a_length(api: ApiProcess) -> None:
    reply = post(api, b'{"text": "\xc3\xa4"}')
    assert reply.status_code == 200
    assert reply.content == '["ä",0,false,"None"]'.encode()
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["content-length"] == str(len(reply.content))
    assert "transfer-encoding" not in reply.headers
    assert reply.headers["date"]


@pytest.mark.parametrize("verb", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_another_verb_on_a_method_is_405(api: ApiProcess, verb: str) -> None:
    reply = api.client.request(verb, "/echo")
    assert reply.status_code == 405
    assert reply.headers["allow"] == "POST"
    if verb != "HEAD":
        assert reply.content == b'{"detail":"Method Not Allowed"}'


@pytest.mark.parametrize("path", ["/", "/nothing", "/echo/more", "/docs", "/%00", "/ä"])
def test_an_unknown_path_is_404(api: ApiProcess, path: str) -> None:
    for verb in ("GET", "POST"):
        reply = api.client.request(verb, path)
        assert reply.status_code == 404
        assert reply.content == b'{"detail":"Not Found"}'


@pytest.mark.parametrize("path", ["/echo", "/health_check", "/ready"])
def test_a_trailing_slash_is_sent_to_the_path_without(api: ApiProcess, path: str) -> None:
    reply = api.client.post(f"{path}/?a=b", content=b"{}", headers=JSON)
    assert reply.status_code == 307
    assert reply.headers["location"] == f"{path}?a=b"
    assert api.client.get("/nothing/").status_code == 404
    assert api.client.get("//").status_code == 404


@pytest.mark.parametrize("path", ["/health_check", "/health_check_async"])
def test_health(api: ApiProcess, path: str) -> None:
    for reply in (
        api.client.get(path),
        api.client.post(path),
        api.client.post(path, content=b"\xff not JSON", headers={"content-type": "text/plain"}),
    ):
        assert (reply.status_code, reply.content) == (200, b'"OK"')
        assert reply.headers["content-type"] == "application/json"
    assert api.client.head(path).status_code == 405
    assert api.client.put(path).status_code == 405


def test_live_and_ready(api: ApiProcess) -> None:
    assert api.client.get("/live").json() == {"status": "live"}
    assert api.client.get("/ready").json() == {"status": "ready"}
    refused = api.client.post("/ready")
    assert refused.status_code == 405
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["status"] == 405


# Bodies (rpc.md §4) ------------------------------------------------------------------------------


def test_a_missing_key(api: ApiProcess) -> None:
    (entry,) = detail(post(api, b'{"number": 1}'))
    assert entry == {
        "type": "missing",
        "loc": ["body", "text"],
        "msg": "Field required",
        "input": {"number": 1},
    }


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"text": 1}', "text"),
        (b'{"text": null}', "text"),
        (b'{"text": "x", "number": 1.5}', "number"),
        (b'{"text": "x", "flag": "maybe"}', "flag"),
    ],
)
def test_a_wrong_type(api: ApiProcess, body: bytes, field: str) -> None:
    (entry,) = detail(post(api, body))
    assert entry["loc"] == ["body", field]


def test_malformed_json(api: ApiProcess) -> None:
    (entry,) = detail(post(api, b'{"text": '))
    assert entry["type"] == "json_invalid"
    assert entry["loc"] == ["body", 9]
    assert entry["input"] == {}
    assert entry["ctx"]["error"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"text": "\xff"}', id="not UTF-8"),
        pytest.param(DEEP, id="depth 10000"),
        pytest.param(b'{"text": "x", "number": ' + b"9" * 5000 + b"}", id="5000 digits"),
    ],
)
def test_what_is_no_json_text_at_all(api: ApiProcess, body: bytes) -> None:
    reply = post(api, body)
    assert reply.status_code == 400
    assert reply.json() == {"detail": "There was an error parsing the body"}


@pytest.mark.parametrize("body", [b"", b"null"])
def test_no_body(api: ApiProcess, body: bytes) -> None:
    assert detail(post(api, body)) == [
        {"type": "missing", "loc": ["body"], "msg": "Field required", "input": None}
    ]


@pytest.mark.parametrize("body", [b"[1]", b'"x"', b"1", b"true"])
def test_a_body_that_is_no_object(api: ApiProcess, body: bytes) -> None:
    (entry,) = detail(post(api, body))
    assert entry["type"] == "model_attributes_type"
    assert entry["loc"] == ["body"]


@pytest.mark.parametrize(
    "given",
    [
        None,
        "application/json",
        "application/json; charset=utf-8",
        "APPLICATION/JSON",
        "application/problem+json",
        "",
    ],
)
def test_content_types_that_are_json(api: ApiProcess, given: str | None) -> None:
    reply = post(api, b'{"text": "x"}', headers={} if given is None else {"content-type": given})
    assert reply.status_code == 200, reply.text


@pytest.mark.parametrize("given", ["text/plain", "application/octet-stream", "nonsense", "a/b/c"])
def test_content_types_that_are_not(api: ApiProcess, given: str) -> None:
    headers = {"content-type": given}
    (entry,) = detail(post(api, b'{"text": "x"}', headers=headers))
    assert entry["loc"] == ["body"]
    assert entry["input"] == '{"text": "x"}'
    assert detail(post(api, b"", headers=headers))[0]["type"] == "missing"


@pytest.mark.parametrize(
    ("number", "understood"), [('"1"', 1), ('" 1 "', 1), ('"1.0"', 1), ("1.0", 1), ("true", 1)]
)
def test_loose_integers(api: ApiProcess, number: str, understood: int) -> None:
    reply = post(api, f'{{"text": "x", "number": {number}}}'.encode())
    assert reply.json()[1] == understood


@pytest.mark.parametrize("flag", ["1", '"YES"', '"on"', '"t"', "1.0", '"1"'])
def test_loose_booleans(api: ApiProcess, flag: str) -> None:
    assert post(api, f'{{"text": "x", "flag": {flag}}}'.encode()).json()[2] is True


def test_unknown_and_repeated_keys(api: ApiProcess) -> None:
    reply = post(api, b'{"text": "first", "unknown": null, "text": "last"}')
    assert reply.json()[0] == "last"


def test_nan_and_infinity_are_read_and_then_refused(api: ApiProcess) -> None:
    assert post(api, NAN).status_code == 400
    assert post(api, NAN).json()["type"] == "ValueError"
    cannot_show = post(api, b'{"document": Infinity}')
    assert cannot_show.status_code == 400
    assert len(cannot_show.json()["args"]) == 1


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"text": "a\\u0000b"}', id="U+0000"),
        pytest.param(b'{"text": "\\ud800"}', id="lone surrogate"),
        pytest.param(b'{"text": "x", "document": "\\ud800"}', id="lone surrogate in a document"),
        pytest.param(b'{"text": "\\ud800", "number": []}', id="lone surrogate and wrong type"),
        pytest.param(b'{"\\ud800": 1}', id="lone surrogate in a key"),
    ],
)
def test_text_that_postgresql_cannot_hold_is_the_clients_fault(
    api: ApiProcess, body: bytes
) -> None:
    reply = post(api, body)
    assert reply.status_code in {400, 422}
    reply.json()
    assert api.call("health_check") == "OK"


def test_forty_megabytes_are_refused_and_twenty_are_not(api: ApiProcess) -> None:
    large = json.dumps({"text": "x" * 40_000_000}).encode()
    refused = post(api, large)
    assert refused.status_code == 413
    assert "api.body_limit" in refused.json()["detail"]
    assert refused.headers["connection"] == "close"
    fits = post(api, json.dumps({"text": "x", "unknown": "y" * 20_000_000}).encode())
    assert fits.status_code == 422
    assert len(fits.content) < 1000


def test_forty_megabytes_in_chunks_are_refused(api: ApiProcess) -> None:
    reply = api.client.post("/echo", content=(b"x" * 65536 for _ in range(640)), headers=JSON)
    assert reply.status_code == 413


# Failures, ids, logs -----------------------------------------------------------------------------


def test_a_bug_of_ours_is_a_500_that_names_the_log_record(api: ApiProcess) -> None:
    first = post(api, b"{}", "fail_with_a_bug", {**JSON, "x-request-id": "bug-1"})
    assert first.status_code == 500
    assert first.headers["x-request-id"] == "bug-1"
    assert "connection" not in first.headers
    body = first.json()
    assert body["type"] == "RuntimeError"
    assert "bug-1" in body["args"][0]
    assert "KeyError" not in first.text
    (record,) = wait_for(
        lambda: [each for each in api.events("internal_error") if each["request_id"] == "bug-1"]
    )
    assert "KeyError" in record["exception"]
    assert post(api, b'{"text": "x"}').status_code == 200


@pytest.mark.parametrize("given", ["abc-1", "01HZ/x=", "a" * 128])
def test_a_request_id_is_taken_over(api: ApiProcess, given: str) -> None:
    reply = post(api, b'{"text": "x"}', headers={**JSON, "x-request-id": given})
    assert reply.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "a" * 129, 'a"b', "a b", "ä".encode().decode("latin-1")])
def test_a_strange_request_id_is_replaced(api: ApiProcess, given: str) -> None:
    headers = httpx.Headers({**JSON, "x-request-id": given}, encoding="latin-1")
    reply = api.client.post("/echo", content=b'{"text": "x"}', headers=headers)
    assert reply.status_code == 200
    assert reply.headers["x-request-id"] not in {given, ""}


def test_every_request_has_one_line(api: ApiProcess) -> None:
    headers = {**JSON, "x-request-id": "line-1"}
    api.client.post("/tell_time", content=b"{}", headers=headers)
    (record,) = wait_for(
        lambda: [each for each in api.events("request") if each["request_id"] == "line-1"]
    )
    assert record["method"] == "tell_time"
    assert record["status"] == 200
    assert record["level"] == "info"
    assert record["rows"] == 1
    assert 0 <= record["pool_wait"] <= record["seconds"] < 5


def test_slow_requests_are_warnings_and_good_ones_can_go_unlogged(database_url: str) -> None:
    with ApiProcess(database_url, "logging.requests=failed", "logging.slow_request=0.2") as quiet:
        quiet.call("tell_time")
        quiet.call("sleep_reading", seconds=0.3)
        assert quiet.client.post("/nothing").status_code == 404
        lines = wait_for(lambda: len(quiet.events("request")) == 2 and quiet.events("request"))
    assert [(line["method"], line["level"]) for line in lines] == [
        ("sleep_reading", "warning"),
        ("nothing", "info"),
    ]


def test_above_a_rate_requests_are_summed_and_failures_keep_their_lines(database_url: str) -> None:
    with ApiProcess(database_url, "logging.request_lines=5") as api:
        for _ in range(100):
            api.call("echo", text="x")
        for _ in range(3):
            assert api.client.post("/echo", json={}).status_code == 422

        def counted() -> int:
            lines = [one for one in api.events("request") if one["status"] == 200]
            return len(lines) + sum(int(one["calls"]) for one in api.events("requests"))

        wait_for(lambda: counted() == 100, what="every request in a line or a sum")
        sums = api.events("requests")
        assert sums
        for one in sums:
            assert one["method"] == "echo"
            assert 0 < one["mean"] <= one["slowest"]
            assert "request_id" not in one
        assert len([one for one in api.events("request") if one["status"] == 422]) == 3


def test_the_sums_of_the_last_second_are_written_at_the_stop(database_url: str) -> None:
    with ApiProcess(database_url, "logging.request_lines=1") as api:
        for _ in range(100):
            api.call("echo", text="x")
        api.signal()
        assert api.exit_code() == 0
        sums = sum(one["calls"] for one in api.events("requests"))
        assert sums + len(api.events("request")) == 100


# Token -------------------------------------------------------------------------------------------


def test_a_token_is_asked_for_where_there_is_one(database_url: str) -> None:
    with ApiProcess(database_url, environment={"AUTOGPT_DB_API_TOKEN": "s3cret ä"}) as api:
        for given in (None, "Bearer wrong", "Bearer", "Basic s3cret", "s3cret ä"):
            headers = {} if given is None else {b"authorization": given.encode()}
            for path in ("/echo", "/nothing", "/openapi.json"):
                reply = api.client.post(path, content=b'{"text": "x"}', headers=headers)
                assert reply.status_code == 401, (given, path)
                assert reply.headers["www-authenticate"] == "Bearer"
                assert "s3cret" not in reply.text
        for scheme in ("Bearer", "bearer"):
            right = {b"authorization": f"{scheme} s3cret ä".encode()}
            reply = api.client.post("/echo", content=b'{"text": "x"}', headers=right)
            assert reply.status_code == 200
        for path in ("/live", "/ready", "/health_check", "/health_check_async"):
            assert api.client.get(path).status_code == 200
        assert "s3cret" not in api.log()
