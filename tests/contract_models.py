"""The contract's response models (models.json), held against replies.

They are v0.6.48's; what later releases add to them (later-members.json) may be there, too. Every
reply that `service.Service` gives is held against them, in every test.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from examples import COMPUTED, CONTRACT, LATER_MEMBERS

if TYPE_CHECKING:
    from collections.abc import Iterable

_MODELS = json.loads((CONTRACT / "models.json").read_text())
for _name, _members in LATER_MEMBERS.items():
    _MODELS["models"][_name]["later"] = _members
_MODELS["methods"] |= json.loads((CONTRACT / "later-methods.json").read_text())
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "null": (type(None),),
}

# A user of v0.7.3 has none of these, one of an earlier release all.
_GONE = {name for name in _MODELS["models"]["User"]["properties"] if name.startswith("notify_on_")}

# A NodeModel is emitted though a Node is declared (rpc.md §5).
SCHEMAS = {
    name: method["returns"].get("schema", {"type": "null"})
    for name, method in _MODELS["methods"].items()
}
SCHEMAS["get_connected_output_nodes"]["items"]["prefixItems"][1] = {"$ref": "#/models/NodeModel"}


def check_reply(method: str, value: Any) -> None:
    """Assert that a reply is what the method returns; a test's own methods are free."""
    fault = _fault(SCHEMAS.get(method, {}), value, "$")
    assert fault is None, f"{method}: {fault}"


def _fault(schema: Any, value: Any, path: str) -> str | None:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name in _MODELS["enums"]:
            return None if value in _MODELS["enums"][name] else f"{path}: {value!r} is no {name}"
        return _fault(_MODELS["models"][name], value, path)
    if "anyOf" in schema:
        faults = [_fault(each, value, path) for each in schema["anyOf"]]
        return None if None in faults else " | ".join(map(str, faults))
    if "oneOf" in schema:
        name = schema["discriminator"]["mapping"].get(value.get("type"))
        return _fault({"$ref": name}, value, path) if name else f"{path}: no known type"
    choices = [schema["const"]] if "const" in schema else schema.get("enum", [value])
    if value not in choices:
        return f"{path}: {value!r} is none of {choices!r}"
    return _type_fault(schema, value, path) or _parts_fault(schema, value, path)


def _type_fault(schema: Any, value: Any, path: str) -> str | None:
    kind = schema.get("type")
    if kind is None:
        return None
    if kind in {"integer", "number"}:
        good = isinstance(value, int | float) and not isinstance(value, bool)
        good = good and (kind == "number" or value == int(value))
    else:
        good = isinstance(value, _TYPES[kind])
    return None if good else f"{path}: {value!r} is no {kind}"


def _parts_fault(schema: Any, value: Any, path: str) -> str | None:
    parts: list[tuple[Any, Any, str]] = []
    if isinstance(value, list):
        if "prefixItems" in schema:
            if len(value) != len(schema["prefixItems"]):
                return f"{path}: {len(value)} elements"
            pairs: Iterable[tuple[Any, Any]] = zip(schema["prefixItems"], value, strict=True)
        else:
            pairs = ((schema.get("items", {}), item) for item in value)
        parts = [(part, item, f"{path}[{n}]") for n, (part, item) in enumerate(pairs)]
    elif isinstance(value, dict) and ("properties" in schema or "additionalProperties" in schema):
        known = schema.get("properties", {})
        more = schema.get("additionalProperties", False)
        missing = set(known) - set(value) - COMPUTED
        if missing == _GONE:
            missing = set()
        known = known | schema.get("later", {})
        unknown = set(value) - set(known)
        if missing or (unknown and not more):
            return f"{path}: missing {sorted(missing)}, unknown {sorted(unknown)}"
        parts = [
            (known.get(key, more if isinstance(more, dict) else {}), item, f"{path}.{key}")
            for key, item in value.items()
        ]
    return next((fault for each in parts if (fault := _fault(*each)) is not None), None)
