"""Taking out of a graph what another user must not see."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from autogpt_db.operations.graphs.blocks import INPUT_BLOCKS

if TYPE_CHECKING:
    from collections.abc import Mapping

_SECRET_NAMES = ("credentials", "api_key", "password", "token", "secret")

_encode = msgspec.json.Encoder().encode


def blocks_of(document: bytes) -> list[str]:
    """Return the ids of the blocks that a GraphModel and its sub-graphs use, each once.

    Args:
        document: The GraphModel's JSON.
    """
    graph = json.loads(document)
    return sorted(
        {node["block_id"] for each in (graph, *graph["sub_graphs"]) for node in each["nodes"]}
    )


def without_secrets(document: bytes, schemas: Mapping[str, str]) -> bytes:
    """Return a GraphModel's JSON without secrets, webhooks, owner, organization and team.

    Args:
        document: The GraphModel's JSON.
        schemas: Each block's input schema as AutoGPT has stored it, JSON text by block id.
    """
    graph = json.loads(document)
    graph |= {"user_id": "", "organization_id": None, "team_id": None}
    decoded = {block: _schema(text) for block, text in schemas.items()}
    for node in graph["nodes"]:
        node["webhook_id"] = None
    for each in (graph, *graph["sub_graphs"]):
        for node in each["nodes"]:
            block = node["block_id"]
            constant = _without_secrets(node["input_default"], decoded.get(block, {}))
            if block in INPUT_BLOCKS and constant.get("secret") is True:
                constant.pop("value", None)
            node["input_default"] = constant
    return _encode(graph)


def _without_secrets(values: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    fields = _object(schema.get("properties"))
    kept: dict[str, Any] = {}
    for key, value in values.items():
        field = _object(fields.get(key))
        named_so = any(word in key.lower() for word in _SECRET_NAMES)
        if field.get("secret") is True or (named_so and not isinstance(value, bool)):
            continue
        kept[key] = _without_secrets(value, field) if isinstance(value, dict) else value
    return kept


def _schema(text: str) -> dict[str, Any]:
    try:
        return _object(json.loads(text))
    except ValueError:
        return {}


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
