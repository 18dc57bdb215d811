"""What a graph takes and gives, computed from its nodes as AutoGPT does from its blocks.

AutoGPT's REST server stores each block's input schema in the database; where none ever ran, the
schemas of v0.6.68's blocks stand in.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from autogpt_db.operations.graphs.blocks import (
    HUMAN_IN_THE_LOOP_BLOCK,
    INPUT_BLOCKS,
    OUTPUT_BLOCKS,
    SENSITIVE_BLOCKS,
    WEBHOOK_BLOCKS,
    WEBHOOK_PROVIDERS,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BLOCKS_THAT_SHOW = (
    *INPUT_BLOCKS,
    *OUTPUT_BLOCKS,
    *WEBHOOK_BLOCKS,
    HUMAN_IN_THE_LOOP_BLOCK,
    *SENSITIVE_BLOCKS,
)
"""Blocks whose nodes tell something of the graph."""

_DROPDOWN = "655d6fdf-a334-421c-b733-520549c07cd1"
_TOGGLE = "cbf36ab5-df4a-43b6-8a7f-f7ed8652116e"
_TABLE = "5603b273-f41e-4020-af7d-fbc9c6a8d928"
_GOOGLE_DRIVE_FILE = "d3b32f15-6fd7-40e3-be52-e083f51b19a2"

_Schema = dict[str, Any]

_NULL = {"type": "null"}
_TEXT_OR_NULL = {"anyOf": [{"type": "string"}, _NULL]}


def _or_null(schema: _Schema) -> _Schema:
    return {"anyOf": [schema, _NULL]}


# Of v0.6.68's blocks; those that aren't here take anything.
_VALUES: dict[str, _Schema] = {
    "7fcd3bcb-8e1b-4e69-903d-32d3d4a92158": _or_null({"type": "string", "format": "short-text"}),
    "90a56ffb-7024-4b2b-ab50-e26c5e5ab8ba": _or_null({"type": "string", "format": "long-text"}),
    "96dae2bb-97a2-41c2-bd2f-13a3b5a8ea98": _or_null({"type": "integer"}),
    "7e198b09-4994-47db-8b4d-952d98241817": _or_null({"type": "string", "format": "date"}),
    "2a1c757e-86cf-4c7e-aacf-060dc382e434": _or_null({"type": "string", "format": "time"}),
    "95ead23f-8283-4654-aef3-10c053b74a31": _or_null({"type": "string", "format": "file"}),
    _DROPDOWN: _TEXT_OR_NULL,
    _TOGGLE: {"type": "boolean"},
    _TABLE: _or_null({"type": "array", "items": {"type": "object", "additionalProperties": True}}),
    _GOOGLE_DRIVE_FILE: _or_null(
        {
            "type": "object",
            "properties": {
                "id": {"type": "string"},
                "name": _TEXT_OR_NULL,
                "mimeType": _TEXT_OR_NULL,
                "url": _TEXT_OR_NULL,
                "iconUrl": _TEXT_OR_NULL,
                "isFolder": _or_null({"type": "boolean"}),
                "_credentials_id": _TEXT_OR_NULL,
            },
            "required": ["id"],
        }
    ),
}
_DRIVE_SCOPE = "https://www.googleapis.com/auth/drive.file"
_DRIVE_VIEWS = ["DOCS", "SPREADSHEETS", "PRESENTATIONS"]


def interface_of(
    nodes: Iterable[tuple[str, _Schema]], block_schemas: Mapping[str, str]
) -> dict[str, Any]:
    """Return the members of a library's agent that tell what its graph takes and gives.

    Args:
        nodes: Block and constant input of each node, in reading order.
        block_schemas: Each block's input schema as AutoGPT has stored it, JSON text by block id.
    """
    nodes = list(nodes)
    blocks = {block for block, _ in nodes}
    schemas = {block: _stored(block_schemas.get(block)) for block in blocks}
    hook = next((block for block, _ in nodes if block in WEBHOOK_PROVIDERS), None)
    return {
        "input_schema": _object_of(nodes, INPUT_BLOCKS, schemas),
        "output_schema": _object_of(nodes, OUTPUT_BLOCKS, schemas),
        "has_external_trigger": hook is not None,
        "has_human_in_the_loop": HUMAN_IN_THE_LOOP_BLOCK in blocks,
        "has_sensitive_action": not blocks.isdisjoint(SENSITIVE_BLOCKS),
        "trigger_setup_info": None if hook is None else _trigger(hook, schemas[hook]),
    }


def _object_of(
    nodes: list[tuple[str, _Schema]], blocks: tuple[str, ...], schemas: Mapping[str, _Schema]
) -> _Schema:
    properties: dict[str, _Schema] = {}
    optional: dict[str, bool] = {}
    for block, constant in nodes:
        name = constant.get("name")
        if block not in blocks or not isinstance(name, str):
            continue
        value = constant.get("value")
        field = _value_schema(block, constant, schemas[block])
        field |= {
            "secret": False,
            "advanced": constant.get("advanced") is True and value is not None,
            "title": constant.get("title") or name,
        }
        if constant.get("description"):
            field["description"] = constant["description"]
        if value is not None:
            field["default"] = value
        properties[name] = field
        optional[name] = value is not None or block == _TOGGLE
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if not optional[name]],
    }


def _value_schema(block: str, constant: _Schema, schema: _Schema) -> _Schema:
    stored = _object(schema.get("properties")).get("value")
    given = stored if isinstance(stored, dict) else _VALUES.get(block, {})
    field = {
        name: part
        for name, part in given.items()
        if name not in {"description", "default", "secret"}
    }
    if block == _DROPDOWN:
        options = constant.get("options") or constant.get("placeholder_values")
        if options:
            field["enum"] = options
    elif block == _TABLE:
        headers = constant.get("column_headers")
        if not isinstance(headers, list) or not headers:
            headers = ["Column 1", "Column 2", "Column 3"]
        columns = {str(header): {"type": "string"} for header in headers}
        field |= {
            "type": "array",
            "format": "table",
            "items": {"type": "object", "properties": columns},
        }
    elif block == _GOOGLE_DRIVE_FILE:
        field |= _drive(constant)
    return field


def _drive(constant: _Schema) -> _Schema:
    credentials = {
        "provider": "google",
        "type": "oauth2",
        "scopes": [_DRIVE_SCOPE],
        "kwarg_name": "credentials",
    }
    views = constant.get("allowed_views", _DRIVE_VIEWS)
    return {
        "format": "google-drive-picker",
        "google_drive_picker_config": {
            "multiselect": False,
            "allow_folder_selection": bool(constant.get("allow_folder_selection", False)),
            "allowed_views": views or ["DOCS"],
            "scopes": [_DRIVE_SCOPE],
            "auto_credentials": credentials,
        },
        "auto_credentials": credentials,
    }


def _trigger(block: str, schema: _Schema) -> _Schema:
    properties = _object(schema.get("properties"))
    references = [
        name for name in properties if name == "credentials" or name.endswith("_credentials")
    ]
    shown: _Schema = {"type": "object"} | schema
    shown["properties"] = {
        name: field for name, field in properties.items() if name not in references
    }
    required = schema.get("required")
    if isinstance(required, list):
        shown["required"] = [name for name in required if name not in references]
    return {
        "provider": WEBHOOK_PROVIDERS[block],
        "config_schema": shown,
        "credentials_input_name": references[0] if references else None,
    }


def _stored(text: str | None) -> _Schema:
    try:
        return _object(json.loads(text or "{}"))
    except ValueError:
        return {}


def _object(value: Any) -> _Schema:
    return value if isinstance(value, dict) else {}
