"""What methods return as the service describes it, held against replies.

Every reply that `service.Service` gives is held against the description, in every test. It must
have no member beyond the declared ones; a client has to bear more, from later releases.
"""

from __future__ import annotations

import re
from typing import Any

from autogpt_db.api.openapi import describe
from autogpt_db.operations import load_operations
from autogpt_db.signatures.schemas import Schemas

_DOCUMENT = describe(load_operations())
MODELS: dict[str, Any] = _DOCUMENT["components"]["schemas"]
"""The models' schemas, by name."""
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "null": (type(None),),
}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")

SCHEMAS: dict[str, Any] = {
    path.removeprefix("/"): entry["post"]["responses"]["200"]["content"]["application/json"][
        "schema"
    ]
    for path, entry in _DOCUMENT["paths"].items()
}
"""Of each method the schema of what it returns."""


def check_document(annotation: Any, value: Any) -> None:
    """Assert that a document is of a declared type."""
    schemas = Schemas()
    found = _fault(schemas.of(annotation), value, "$", True, schemas.models)
    assert found is None, found


def check_reply(method: str, value: Any) -> None:
    """Assert that a reply is what the method declares; a test's own methods are free."""
    found = fault(method, value) if method in SCHEMAS else None
    assert found is None, f"{method}: {found}"


def fault(method: str, value: Any, *, whole: bool = True) -> str | None:
    """Return what is wrong with a reply; None where it is what the method declares.

    Args:
        method: The method.
        value: Its reply.
        whole: Whether members that aren't declared, and moments that aren't UTC's, are a fault.
    """
    return _fault(SCHEMAS[method], value, "$", whole)


def _fault(
    schema: Any, value: Any, path: str, whole: bool, models: dict[str, Any] = MODELS
) -> str | None:
    if "$ref" in schema:
        return _fault(models[schema["$ref"].rpartition("/")[2]], value, path, whole, models)
    if "anyOf" in schema:
        faults = [_fault(each, value, path, whole, models) for each in schema["anyOf"]]
        return None if None in faults else " | ".join(map(str, faults))
    if value not in schema.get("enum", [value]):
        return f"{path}: {value!r} is none of {schema['enum']!r}"
    if whole and schema.get("format") == "date-time" and not _MOMENT.fullmatch(str(value)):
        return f"{path}: {value!r} is no moment in UTC"
    return _type_fault(schema, value, path) or _parts_fault(schema, value, path, whole, models)


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


def _parts_fault(
    schema: Any, value: Any, path: str, whole: bool, models: dict[str, Any]
) -> str | None:
    parts: list[tuple[Any, Any, str]] = []
    if isinstance(value, list):
        pairs = [(schema.get("items", {}), item) for item in value]
        if "prefixItems" in schema:
            if len(value) != len(schema["prefixItems"]):
                return f"{path}: {len(value)} elements"
            pairs = list(zip(schema["prefixItems"], value, strict=True))
        parts = [(part, item, f"{path}[{n}]") for n, (part, item) in enumerate(pairs)]
    elif isinstance(value, dict):
        known = schema.get("properties", {})
        others = schema.get("additionalProperties")
        missing = set(schema.get("required", ())) - set(value)
        unknown = set(value) - set(known) if known and others is None and whole else set()
        if missing or unknown:
            return f"{path}: missing {sorted(missing)}, unknown {sorted(unknown)}"
        parts = [
            (known.get(key, others or {}), item, f"{path}.{key}") for key, item in value.items()
        ]
    faults = (_fault(*each, whole, models) for each in parts)
    return next((found for found in faults if found is not None), None)
