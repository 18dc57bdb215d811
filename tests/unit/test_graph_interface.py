"""What a graph takes and gives, told from its nodes as AutoGPT tells it from its blocks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from autogpt_db.operations.graphs.blocks import SENSITIVE_BLOCKS, WEBHOOK_BLOCKS, WEBHOOK_PROVIDERS
from autogpt_db.operations.graphs.graph_interface import interface_of

PLAIN = "c0a8e994-ebf1-4a9c-a4d8-89d09c86741b"
SHORT_TEXT = "7fcd3bcb-8e1b-4e69-903d-32d3d4a92158"
DROPDOWN = "655d6fdf-a334-421c-b733-520549c07cd1"
TOGGLE = "cbf36ab5-df4a-43b6-8a7f-f7ed8652116e"
TABLE = "5603b273-f41e-4020-af7d-fbc9c6a8d928"
DRIVE = "d3b32f15-6fd7-40e3-be52-e083f51b19a2"
OUTPUT = "363ae599-353e-4804-937e-b2ee3cef3da4"
GITHUB = "6c60ec01-8128-419e-988f-96a063ee2fea"
TELEGRAM = "4435e4e0-df6e-4301-8f35-ad70b12fc9ec"
HUMAN = "8b2a7b3c-6e9d-4a5f-8c1b-2e3f4a5b6c7d"


def field(block: str, schemas: dict[str, Any] | None = None, **constant: Any) -> Any:
    stored = {key: json.dumps(value) for key, value in (schemas or {}).items()}
    found = interface_of([(block, {"name": "x"} | constant)], stored)
    shown = found["output_schema" if block == OUTPUT else "input_schema"]
    return shown["properties"]["x"], shown["required"]


def test_a_graph_without_telling_nodes_tells_nothing() -> None:
    nothing = {"type": "object", "properties": {}, "required": []}
    assert interface_of([], {}) == {
        "input_schema": nothing,
        "output_schema": nothing,
        "has_external_trigger": False,
        "has_human_in_the_loop": False,
        "has_sensitive_action": False,
        "trigger_setup_info": None,
    }


def test_a_field_is_the_blocks_value_with_what_the_node_says() -> None:
    stored = {PLAIN: {"properties": {"value": {
        "type": "string", "default": "d", "description": "of the block", "secret": True,
        "advanced": True, "title": "Value", "examples": [1],
    }}}}  # fmt: skip
    assert field(PLAIN, stored) == (
        {"type": "string", "examples": [1], "secret": False, "advanced": False, "title": "x"},
        ["x"],
    )
    said = {"title": "T", "description": "D", "value": 0, "advanced": True}
    assert field(PLAIN, stored, **said) == (
        {"type": "string", "examples": [1], "secret": False, "advanced": True, "title": "T",
         "description": "D", "default": 0},
        [],
    )  # fmt: skip
    assert field(PLAIN, stored, advanced=True)[0]["advanced"] is False, "nobody fills it in then"


def test_a_block_whose_schema_nobody_stored_has_that_of_the_release() -> None:
    nothing_stored: list[dict[str, Any] | None] = [None, {SHORT_TEXT: {}}]
    for schemas in nothing_stored:
        shown, _ = field(SHORT_TEXT, schemas)
        assert shown["anyOf"] == [{"type": "string", "format": "short-text"}, {"type": "null"}]
    assert "anyOf" not in field(OUTPUT)[0]
    found = interface_of([(SHORT_TEXT, {"name": "x"})], {SHORT_TEXT: "no json"})
    assert "anyOf" in found["input_schema"]["properties"]["x"]


def test_a_toggle_is_never_required() -> None:
    assert field(TOGGLE)[1] == []


def test_options_columns_and_pickers_are_the_nodes() -> None:
    assert field(DROPDOWN, options=["a"])[0]["enum"] == ["a"]
    assert field(DROPDOWN, placeholder_values=["b"])[0]["enum"] == ["b"]
    assert "enum" not in field(DROPDOWN, options=[])[0]
    table, _ = field(TABLE, column_headers=["A", "B"])
    assert (table["type"], table["format"]) == ("array", "table")
    assert table["items"]["properties"] == {"A": {"type": "string"}, "B": {"type": "string"}}
    assert list(field(TABLE)[0]["items"]["properties"]) == ["Column 1", "Column 2", "Column 3"]
    picker, _ = field(DRIVE, allowed_views=[], allow_folder_selection=True)
    config = picker["google_drive_picker_config"]
    assert picker["format"] == "google-drive-picker"
    assert (config["allowed_views"], config["allow_folder_selection"]) == (["DOCS"], True)
    assert config["auto_credentials"] == picker["auto_credentials"]
    default = field(DRIVE)[0]["google_drive_picker_config"]["allowed_views"]
    assert default == ["DOCS", "SPREADSHEETS", "PRESENTATIONS"]


@pytest.mark.parametrize("odd", [5, True, {"A": 1}, "A, B"])
def test_columns_that_are_no_list_are_those_of_a_table_that_says_nothing(odd: object) -> None:
    assert field(TABLE, column_headers=odd) == field(TABLE)


def test_of_equal_names_the_last_counts_and_nameless_nodes_are_skipped() -> None:
    nodes: list[tuple[str, dict[str, Any]]] = [
        (PLAIN, {"name": "x", "value": 1}),
        (PLAIN, {"value": 2}),
        (PLAIN, {"name": 5}),
        (PLAIN, {"name": "x"}),
        (OUTPUT, {"name": "y"}),
    ]
    found = interface_of(nodes, {})
    assert list(found["input_schema"]["properties"]) == ["x"]
    assert found["input_schema"]["required"] == ["x"]
    assert found["output_schema"]["required"] == ["y"]


def test_flags_and_the_first_trigger() -> None:
    schema = {
        "title": "In",
        "properties": {"repo": {}, "credentials": {}, "x_credentials": {}},
        "required": ["repo", "credentials"],
    }
    nodes: list[tuple[str, dict[str, Any]]] = [
        (HUMAN, {}),
        (SENSITIVE_BLOCKS[0], {}),
        (GITHUB, {}),
        (TELEGRAM, {}),
    ]
    found = interface_of(nodes, {GITHUB: json.dumps(schema)})
    assert found["has_human_in_the_loop"]
    assert found["has_sensitive_action"]
    assert found["has_external_trigger"]
    assert found["trigger_setup_info"] == {
        "provider": "github",
        "config_schema": {
            "type": "object", "title": "In", "properties": {"repo": {}}, "required": ["repo"],
        },
        "credentials_input_name": "credentials",
    }  # fmt: skip
    found = interface_of([(TELEGRAM, {})], {})
    assert found["trigger_setup_info"] == {
        "provider": "telegram",
        "config_schema": {"type": "object", "properties": {}},
        "credentials_input_name": None,
    }


@pytest.mark.parametrize("block", WEBHOOK_BLOCKS)
def test_every_webhook_block_has_a_provider(block: str) -> None:
    assert WEBHOOK_PROVIDERS[block]
