"""Every method has sample calls, which it takes, and tests that name it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tools.sample_calls import examples, filled, sample_calls, where_a_row_goes
from tools.sample_calls.roles import EXECUTION, USER

from autogpt_db.operations import load_operations

OPERATIONS = load_operations()
TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("method", sorted(OPERATIONS))
def test_a_method_has_sample_calls_that_it_takes(method: str) -> None:
    calls = examples().get(method)
    assert calls, f"{method}: {where_a_row_goes(OPERATIONS[method].subject)}"
    for arguments in calls:
        OPERATIONS[method].decode(json.dumps(arguments).encode())


def test_there_are_no_sample_calls_of_what_is_no_method() -> None:
    assert sample_calls().keys() <= OPERATIONS.keys()


def test_every_method_has_a_test_that_calls_it() -> None:
    texts = [
        path.read_text("utf-8")
        for folder in ("integration", "releases")
        for path in (TESTS / folder).glob("*.py")  # what several tests call stands beside them
    ]
    for method in OPERATIONS:
        called = any(f'"{method}"' in text for text in texts)
        assert called, f"write a test of {method} in tests/integration/, of what it answers"


def test_roles_are_filled_in_wherever_they_stand() -> None:
    call = {"a": USER, "b": [[EXECUTION, {"c": USER}]], "d": {"e": 1}, "f": "text"}
    found = filled(call, lambda role: role.example)
    assert found == {"a": "alice", "b": [["e1", {"c": "alice"}]], "d": {"e": 1}, "f": "text"}
