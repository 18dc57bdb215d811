"""Every recorded call of the contract, replayed over HTTP and held equal under rpc.md §12."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from autogpt_db.operations import load_operations
from daemon_process import DaemonProcess

CONTRACT = Path(__file__).parent.parent / "contract"
EXAMPLES = [json.loads(line) for line in (CONTRACT / "examples.jsonl").read_text().splitlines()]
TIMES = {
    "<tsZ.6>": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"),
    "<ts.6>": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}"),
}
# The client recomputes these from its own block classes; a server may leave them out (rpc.md §6).
COMPUTED = frozenset(
    {
        "input_schema",
        "output_schema",
        "has_external_trigger",
        "has_human_in_the_loop",
        "has_sensitive_action",
        "trigger_setup_info",
        "credentials_input_schema",
    }
)
# Lists to which methods.md gives no order.
UNORDERED = frozenset({"nodes", "links", "input_links", "output_links", "sub_graphs"})
UNORDERED_METHODS = frozenset({"get_child_graph_executions", "get_connected_output_nodes"})
SERVED = set(load_operations()) | {"health_check", "health_check_async"}


def same(expected: Any, actual: Any, path: str = "$", *, graph: bool = False) -> None:
    """Assert that two JSON values are equal, types included, as far as rpc.md §12 asks."""
    if isinstance(expected, str) and expected in TIMES:
        assert isinstance(actual, str), path
        assert TIMES[expected].fullmatch(actual), (path, actual)
        return
    if isinstance(expected, dict):
        assert isinstance(actual, dict), path
        names = set(expected)
        missing = names - set(actual)
        if graph:
            missing -= COMPUTED
        assert not missing, (path, missing)
        assert not set(actual) - names, (path, set(actual) - names)
        for name in names & set(actual):
            same(expected[name], actual[name], f"{path}.{name}", graph=graph)
        return
    if isinstance(expected, list):
        assert isinstance(actual, list), path
        assert len(expected) == len(actual), path
        if path.rpartition(".")[2] in UNORDERED or path == "$unordered":
            expected, actual = (sorted(v, key=json.dumps) for v in (expected, actual))
        for index, (one, other) in enumerate(zip(expected, actual, strict=True)):
            same(one, other, f"{path}[{index}]", graph=graph)
        return
    assert type(expected) is type(actual) or ({type(expected), type(actual)} == {int, float}), (
        path,
        expected,
        actual,
    )
    assert expected == actual, path


@pytest.fixture(scope="module")
def daemon(seeded_database_url_for_module: str):
    with DaemonProcess(database_url=seeded_database_url_for_module) as running:
        yield running


def cases() -> list[Any]:
    found = []
    for number, example in enumerate(EXAMPLES):
        waits = example["method"] not in SERVED
        marks = [pytest.mark.xfail(reason="not served yet", strict=True)] if waits else []
        found.append(pytest.param(example, id=f"{number:02}-{example['method']}", marks=marks))
    return found


@pytest.mark.parametrize("example", cases())
def test_a_recorded_call_is_answered_the_same(daemon: DaemonProcess, example: Any) -> None:
    method = example["method"]
    reply = daemon.client.post(f"/{method}", json=example["request"])
    assert reply.status_code == example["status"], reply.text
    expected, actual = example["response"], reply.json()
    if reply.status_code == 422:
        assert [entry["loc"] for entry in actual["detail"]] == [
            entry["loc"] for entry in expected["detail"]
        ]
        return
    if reply.status_code != 200:
        assert actual["type"] == expected["type"]
        assert len(actual["args"]) == len(expected["args"])
        return
    path = "$unordered" if method in UNORDERED_METHODS else "$"
    same(expected, actual, path, graph=method in {"get_graph", "get_graph_metadata"})
