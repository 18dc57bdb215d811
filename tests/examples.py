"""The contract's recorded calls, and what "the same answer" means for them (rpc.md §12)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

CONTRACT = Path(__file__).parent / "contract"
EXAMPLES: list[dict[str, Any]] = [
    json.loads(line) for line in (CONTRACT / "examples.jsonl").read_text().splitlines()
]
LATER_MEMBERS: dict[str, dict[str, Any]] = json.loads((CONTRACT / "later-members.json").read_text())
"""What later releases add to the models, by model and member; each with its schema."""
# Clients ignore what they don't know, but for a user's members: one more is refused.
_IGNORED = {name for model, members in LATER_MEMBERS.items() if model != "User" for name in members}
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
GRAPH_METHODS = frozenset({"get_graph", "get_graph_metadata"})


def _coverage(total: int, percent: float) -> dict[str, Any]:
    return {
        "total": total,
        "with_embeddings": total,
        "without_embeddings": 0,
        "coverage_percent": percent,
    }


# Recorded answers that we deliberately don't give (docs/reference/compatibility.md), by method and
# status, or by method and request.
DEVIATIONS: dict[str, tuple[int, Any]] = {
    # What is looked for is a text and no pattern.
    'list_library_agents {"user_id": "alice", "search_term": "G%v_"}': (
        200,
        {
            "agents": [],
            "pagination": {"total_items": 0, "total_pages": 0, "current_page": 1, "page_size": 50},
        },
    ),
    # All clients know this class, and none the marketplace's own.
    "get_store_agent_details 400": (400, {"type": "NotFoundError", "args": [None]}),
    # A 500 would be repeated a hundred times, and no repeat can mend the text of a date.
    "get_active_user_ids_in_timerange 500": (400, {"type": "ValueError", "args": [None]}),
    # Later releases answer so, and the clients of all have always declared it.
    "get_execution_outputs_by_node_exec_id 200": (200, {"error": ["boom", "bang"]}),
    # Blocks and documentation are AutoGPT's own code and files.
    "get_embedding_stats 200": (
        200,
        {
            "by_type": {
                "STORE_AGENT": _coverage(1, 100.0),
                "BLOCK": _coverage(0, 0),
                "DOCUMENTATION": _coverage(0, 0),
            },
            "totals": _coverage(1, 100.0),
        },
    ),
}


def examples_of(*methods: str) -> list[dict[str, Any]]:
    """Return the recorded calls of these methods; each must have one."""
    found = [example for example in EXAMPLES if example["method"] in methods]
    assert {example["method"] for example in found} == set(methods)
    return found


def check(example: dict[str, Any], status: int, actual: Any) -> None:
    """Assert that an answer is the recorded one as far as rpc.md §12 asks."""
    method = example["method"]
    expected_status, expected = example["status"], example["response"]
    for key in (f"{method} {expected_status}", f"{method} {json.dumps(example['request'])}"):
        if key in DEVIATIONS:
            expected_status, expected = DEVIATIONS[key]
    assert status == expected_status, actual
    if status == 422:
        assert [entry["loc"] for entry in actual["detail"]] == [
            entry["loc"] for entry in expected["detail"]
        ]
    elif status != 200:
        assert actual["type"] == expected["type"]
        assert len(actual["args"]) == len(expected["args"])
    else:
        path = "$unordered" if method in UNORDERED_METHODS else "$"
        same(expected, actual, path, graph=method in GRAPH_METHODS)


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
        unknown = set(actual) - names - _IGNORED
        assert not unknown, (path, unknown)
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
