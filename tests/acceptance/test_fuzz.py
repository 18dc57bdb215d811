"""No request, however odd, gets a 5xx, and each is answered in time: all methods of a real daemon.

`make fuzz` sends 20,000 of them; the suite sends fewer, the same ones each time.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from tools.sample_calls import examples

import plain_http
from daemon_process import LEAN, DaemonProcess
from examples import EXAMPLES
from json_requests import (
    HOSTILE_DOCUMENTS,
    HOSTILE_NUMBERS,
    HOSTILE_STRINGS,
    bodies,
)
from releases.building import ENCRYPTION_KEY, LATEST, ReleaseDatabases
from service import LATER, OPERATIONS

METHODS = sorted(OPERATIONS)
TOTAL = int(os.environ.get("AUTOGPT_DB_TEST_FUZZ", "500"))
EACH = -(-TOTAL // len(METHODS))
DEADLINE = 40.0
ODD: tuple[Any, ...] = (None, "x\0y", -(2**70), [[]])
HEADERS = {"content-type": "application/json"}

statuses: Counter[int] = Counter()


@contextmanager
def served(url: str) -> Iterator[httpx.Client]:
    with DaemonProcess(
        database_url=url,
        assignments=[
            *LEAN,
            f"api.request_deadline={DEADLINE}",
            "credits.enabled=true",
            f"integrations.encryption_key={ENCRYPTION_KEY}",
            "logging.requests=failed",
        ],
    ) as running:
        # Longer than the deadline by what a busy machine may need to hand a reply over.
        with plain_http.client(base_url=running.base, timeout=DEADLINE + 5) as client:
            yield client
        assert '"event":"internal_error"' not in running.log_path.read_text("utf-8", "replace")


@pytest.fixture(scope="module")
def first(seeded_database_url_for_module: str) -> Iterator[httpx.Client]:
    with served(seeded_database_url_for_module) as client:
        yield client


@pytest.fixture(scope="module")
def later(releases: ReleaseDatabases) -> Iterator[httpx.Client]:
    url = releases.fresh(LATEST, seeded=True, ours=True)
    with served(url) as client:
        yield client
    releases.drop(url)


@pytest.fixture(scope="module")
def client_of(
    first: httpx.Client, later: httpx.Client, request: pytest.FixtureRequest
) -> Iterator[Callable[[str], httpx.Client]]:
    """Yield what returns a client of the daemon whose database has all that a method needs."""
    yield lambda method: later if method in LATER else first
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        told = f"\nanswers by status: {dict(sorted(statuses.items()))}, {statuses.total()} in all"
        print(told, file=sys.stderr)  # a worker of xdist's has no other way out


@pytest.fixture(scope="module")
def schemas(first: httpx.Client) -> dict[str, Any]:
    """Return the schema of each method's request, as the daemon itself describes it."""
    document = first.get("/openapi.json").json()
    return {
        path[1:]: whole(
            entry["post"]["requestBody"]["content"]["application/json"]["schema"], document
        )
        for path, entry in document["paths"].items()
    }


def whole(schema: Any, document: Any) -> Any:
    """Return a schema with what it refers to in its place."""
    if isinstance(schema, list):
        return [whole(each, document) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        found = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return whole(found, document)
    return {name: whole(each, document) for name, each in schema.items()}


def test_the_document_describes_every_method(schemas: dict[str, Any]) -> None:
    assert sorted(schemas) == METHODS
    assert {example["method"] for example in EXAMPLES} <= {
        *METHODS,
        "health_check",
        "health_check_async",
    }


@pytest.mark.timeout(900)
@pytest.mark.parametrize("method", METHODS)
def test_no_request_gets_a_5xx(
    method: str, client_of: Callable[[str], httpx.Client], schemas: dict[str, Any]
) -> None:
    client = client_of(method)
    reached = 0

    def send(body: bytes) -> None:
        reply = client.post(f"/{method}", content=body, headers=HEADERS)  # or it fails by timeout
        nonlocal reached
        statuses[reply.status_code] += 1
        reached += reply.status_code == 200
        assert reply.status_code < 500, (body, reply.status_code, reply.text)
        if reply.status_code == 200:
            reply.json()

    test = given(bodies(schemas[method]))(send)
    for call in examples()[method]:
        test = example(json.dumps(call).encode())(test)
        for name in call:  # all but one as it should be, so that the rest is looked at as well
            for odd in ODD:
                test = example(json.dumps(call | {name: odd}).encode())(test)
    for word in HOSTILE_STRINGS[:5] + HOSTILE_NUMBERS[12:14] + HOSTILE_DOCUMENTS[5:10]:
        text = ", ".join(f'"{name}": {word}' for name in schemas[method]["properties"])
        test = example(("{" + text + "}").encode())(test)
    settings(
        max_examples=EACH,
        deadline=None,
        database=None,
        derandomize="AUTOGPT_DB_TEST_FUZZ" not in os.environ,
        suppress_health_check=list(HealthCheck),
    )(test)()
    assert reached, "as it should be, it is served"
