"""`autogpt-db methods`: what each method reads, writes, and does when it is repeated."""

from __future__ import annotations

import json

import pytest

from autogpt_db.cli.methods import describe_methods, describe_release
from autogpt_db.errors import ConfigurationError
from autogpt_db.operations import load_operations
from autogpt_db.signatures.tables import Table


def test_the_table_has_a_line_for_each_method() -> None:
    head, *lines = describe_methods(as_json=False)
    assert head.split("  ")[0] == "METHOD"
    found = {line.split()[0]: line for line in lines}
    assert list(found) == sorted(load_operations())
    assert found["spend_credits"].split() == [
        "spend_credits", "writes", "NEEDS", "A", "KEY",
        "*CreditTransaction", "User", "*UserBalance",
    ]  # fmt: skip
    assert "is harmless" in found["set_execution_kv_data"]
    assert found["get_user_by_id"].split() == ["get_user_by_id", "reads", "is", "harmless", "User"]
    columns = {line.index("is harmless") for line in lines if "is harmless" in line}
    assert columns == {head.index("A REPEAT")}


def test_it_can_be_had_as_json() -> None:
    (text,) = describe_methods(as_json=True)
    found = {each["name"]: each for each in json.loads(text)}
    assert set(found) == set(load_operations())
    spending = found["spend_credits"]
    assert spending["reads"] is False
    assert spending["tables"] == {
        "read": ["User"],
        "written": ["CreditTransaction", "UserBalance"],
    }
    assert spending["idempotency"] == {
        "key": True,
        "repeat_is_harmless": False,
        "repeat": "Spends again.",
    }
    assert found["get_node"]["idempotency"] == {
        "key": False,
        "repeat_is_harmless": True,
        "repeat": None,
    }


def test_tables_are_found_through_functions_modules_and_merged_statements() -> None:
    operations = load_operations()
    # By a module's attribute, by helpers with statements of their own, and as two texts of one.
    assert Table("UserBalance", written=True) in operations["increment_onboarding_runs"].tables
    assert operations["upsert_execution_output"].tables == (
        Table("AgentNodeExecutionInputOutput", written=True),
    )
    # Types stand behind `::` and are no tables.
    names = {table.name for each in operations.values() for table in each.tables}
    assert not {name for name in names if "Status" in name or name.endswith("Type")}


def test_a_release_has_a_line_for_each_method_that_any_release_has() -> None:
    head, *lines, empty, counts = describe_release("v0.6.59", as_json=False)
    assert head.split("  ")[-1].strip() == "ON v0.6.59"
    assert empty == ""
    found = {line.split()[0]: line.split(maxsplit=2)[1:] for line in lines}
    assert found["spend_credits"] == ["0.6.48", "served"]
    assert found["get_chat_session"] == ["0.6.49", "served"]
    assert found["resolve_default_tenancy"] == ["0.7.1", "not there"]
    called = [state for _, state in found.values() if state != "not there"]
    assert len(called) == 125
    assert f"{called.count('passed on')} passed on" in counts
    (text,) = describe_release("0.6.60", as_json=True)
    states = {each["name"]: each["here"] for each in json.loads(text)}
    assert states["get_chat_session"] == "not there"


def test_an_unknown_release_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ConfigurationError, match=r"0\.6\.48 to 0\.7\.2"):
        list(describe_release("0.5.0", as_json=False))
