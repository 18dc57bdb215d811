"""One operation, one place: a file of its own is all it takes to serve and document one."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from daemon_process import PROGRAM, DaemonProcess
from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOURCE = '''
from __future__ import annotations

from autogpt_db.operations import Database, Reply, operation


@operation(reads=True)
async def count_to(database: Database, last: int, *, first: int = 1) -> Reply[list[int]]:
    """Return the numbers up to a last one.

    Nobody else needs to know of this file.
    """
    return await database.json(
        "SELECT json_agg(number) FROM generate_series(%(first)s::int, %(last)s::int) number",
        {"first": first, "last": last},
    )
'''


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    directory: Path = tmp_path_factory.mktemp("operations")
    (directory / "counting.py").write_text(SOURCE)
    return {"AUTOGPT_DB_TEST_OPERATIONS": "counting", "PYTHONPATH": str(directory)}


@pytest.fixture(scope="module")
def daemon(
    seeded_database_url_for_module: str, environment: dict[str, str]
) -> Iterator[DaemonProcess]:
    with DaemonProcess(
        database_url=seeded_database_url_for_module, environment=environment
    ) as running:
        yield running


def test_it_is_served(daemon: DaemonProcess) -> None:
    assert daemon.call("count_to", last=3) == [1, 2, 3]
    assert daemon.call("count_to", last="5", first=4) == [4, 5]
    called = daemon.run("call", "count_to", "last=2")
    assert (called.returncode, json.loads(called.stdout)) == (0, [1, 2])


def test_it_is_validated(daemon: DaemonProcess) -> None:
    missing = daemon.client.post("/count_to", json={"first": 1})
    assert missing.status_code == 422
    assert missing.json()["detail"][0]["loc"] == ["body", "last"]
    wrong = daemon.client.post("/count_to", json={"last": "three"})
    assert wrong.json()["detail"][0]["type"] == "int_parsing"


def test_it_is_documented(daemon: DaemonProcess, environment: dict[str, str]) -> None:
    entry = daemon.client.get("/openapi.json").json()["paths"]["/count_to"]["post"]
    assert entry["summary"] == "Return the numbers up to a last one."
    schema = entry["requestBody"]["content"]["application/json"]["schema"]
    assert schema["required"] == ["last"]
    assert schema["properties"]["first"]["default"] == 1
    returned = entry["responses"]["200"]["content"]["application/json"]["schema"]
    assert returned == {"type": "array", "items": {"type": "integer"}}
    listed = subprocess.run(
        [PROGRAM, "methods", "--json"],
        env=daemon.environment | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    (method,) = [one for one in json.loads(listed.stdout) if one["name"] == "count_to"]
    assert method["reads"] is True
    assert method["summary"] == entry["summary"]
    assert method["signature"] == "(last: int, *, first: int = 1) -> list[int]"


def test_its_requests_are_logged(daemon: DaemonProcess) -> None:
    daemon.call("count_to", last=1)
    wait_for(
        lambda: [one for one in daemon.events("request") if one["method"] == "count_to"],
        what="its line",
    )
