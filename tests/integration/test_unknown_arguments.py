"""Calls with arguments that we don't have: passed on, refused, or harmless; never half heard."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api_process import ApiProcess
from upstream_manager import UpstreamManager

# `answer` is a method of the other side, too, and so is whatever is called by that name.
RUN = {"user_id": "alice", "graph_id": "g1", "graph_version": 2}
NEWER = [
    ("get_graph_execution_meta", {"user_id": "alice", "execution_id": "e1"}, {"expert_id": "x"}),
    ("set_execution_kv_data", {"user_id": "alice", "node_exec_id": "n", "key": "k", "data": 1},
     {"nobody_knows": 0}),
]  # fmt: skip


@pytest.fixture(scope="module")
def upstream() -> Iterator[UpstreamManager]:
    with UpstreamManager() as server:
        yield server


@pytest.fixture(scope="module")
def alone(seeded_database_url_for_module: str) -> Iterator[ApiProcess]:
    with ApiProcess(seeded_database_url_for_module) as api:
        yield api


@pytest.fixture(scope="module")
def passing(seeded_database_url_for_module: str, upstream: UpstreamManager) -> Iterator[ApiProcess]:
    with ApiProcess(seeded_database_url_for_module, f"api.fallback_url={upstream.url}") as api:
        yield api


@pytest.fixture(params=["short", "plain", "keyed"])
def headers(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return what makes a call take a road."""
    return {
        "short": {},
        "plain": {"x-request-id": "plain"},
        "keyed": {"idempotency-key": request.node.name},
    }[request.param]


def send(
    api: ApiProcess, method: str, content: dict[str, Any], headers: dict[str, str]
) -> httpx.Response:
    return api.client.post(f"/{method}", content=json.dumps(content), headers={
        "content-type": "application/json", **headers
    })  # fmt: skip


@pytest.mark.parametrize(("method", "known", "more"), NEWER)
def test_without_a_fallback_they_are_refused_by_name(
    alone: ApiProcess,
    headers: dict[str, str],
    method: str,
    known: dict[str, Any],
    more: dict[str, Any],
) -> None:
    nothing = dict.fromkeys(more)
    assert send(alone, method, known | nothing, headers).status_code == 200
    headers = headers | ({"idempotency-key": "another"} if "idempotency-key" in headers else {})
    refused = send(alone, method, known | more, headers)
    assert refused.status_code == 422
    (name,) = more
    (entry,) = refused.json()["detail"]
    assert (entry["loc"], entry["input"]) == (["body", name], more[name])
    told = [one for one in alone.events("argument_unknown") if one["method"] == method]
    assert [(one["argument"], one["outcome"]) for one in told] == [(name, "refused")]


@pytest.mark.parametrize(("method", "known", "more"), NEWER)
def test_with_a_fallback_the_call_is_passed_on_as_it_came(
    passing: ApiProcess,
    upstream: UpstreamManager,
    headers: dict[str, str],
    method: str,
    known: dict[str, Any],
    more: dict[str, Any],
) -> None:
    upstream.requests.clear()
    answer = send(passing, method, known | more, headers)
    assert answer.status_code == 404, "the stand-in has no such method"
    assert "server" in answer.headers
    assert passing.events("method_unknown") == []
    told = [one for one in passing.events("argument_unknown") if one["method"] == method]
    assert [one["outcome"] for one in told] == ["passed on"]
    # What came from there is not sent back there.
    again = send(passing, method, known | more, headers | {"autogpt-db-passed-on": "1"})
    assert again.status_code == 422


def test_they_are_counted(alone: ApiProcess) -> None:
    send(alone, "get_graph_execution_meta", {"user_id": "u", "execution_id": "e", "new": 1}, {})
    lines = alone.client.get("/metrics").text.splitlines()
    wanted = (
        'autogpt_db_calls_with_unknown_arguments_total{method="get_graph_execution_meta",'
        'outcome="refused"}'
    )
    assert any(line.startswith(wanted) for line in lines)
