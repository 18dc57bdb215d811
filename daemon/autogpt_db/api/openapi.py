"""The methods as an OpenAPI document, from what the registry knows of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autogpt_db import __version__
from autogpt_db.api.idempotency import LONGEST_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autogpt_db.operations import Operation


def describe(operations: Mapping[str, Operation]) -> dict[str, Any]:
    """Return the document.

    Args:
        operations: What is served, by name.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "autogpt-db",
            "version": __version__,
            "description": "AutoGPT's DatabaseManager: one POST for each method.",
        },
        "paths": {f"/{name}": {"post": _entry(each)} for name, each in operations.items()},
        "components": {
            "parameters": {
                "IdempotencyKey": {
                    "name": "Idempotency-Key",
                    "in": "header",
                    "description": "A text of the client's for this one call. A repeat with the "
                    "same key and body has no effect and gets the same reply.",
                    "schema": {"type": "string", "pattern": f"^[!-~]{{1,{LONGEST_KEY}}}$"},
                }
            },
            "headers": {
                "IdempotencyReplayed": {
                    "description": "The reply is that of an earlier call with the same key.",
                    "schema": {"const": "true"},
                }
            },
            "schemas": {
                "Failure": {
                    "type": "object",
                    "properties": {"type": {"type": "string"}, "args": {"type": "array"}},
                    "required": ["type", "args"],
                }
            },
            "responses": {
                "Failure": {
                    "description": "The call failed.",
                    "content": _content({"$ref": "#/components/schemas/Failure"}),
                },
                "Invalid": {
                    "description": "The request does not fit the method's signature.",
                    "content": _content(
                        {"type": "object", "properties": {"detail": {"type": "array"}}}
                    ),
                },
            },
        },
    }


def _entry(operation: Operation) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.subject],
        "summary": operation.summary,
        "description": operation.description,
        "x-reads": operation.reads,
        "x-tables": {
            table.name: "writes" if table.written else "reads" for table in operation.tables
        },
        "requestBody": {"required": True, "content": _content(operation.request_schema())},
        "responses": {
            "200": {"description": "The method's return value.", "content": _content({})},
            "400": {"$ref": "#/components/responses/Failure"},
            "422": {"$ref": "#/components/responses/Invalid"},
            "500": {"$ref": "#/components/responses/Failure"},
            "503": {"$ref": "#/components/responses/Failure"},
        },
    }
    if operation.repeat is not None:
        entry["x-repeat"] = operation.repeat._asdict()
    if not operation.reads:
        entry["parameters"] = [{"$ref": "#/components/parameters/IdempotencyKey"}]
        entry["responses"]["200"]["headers"] = {
            "Idempotency-Replayed": {"$ref": "#/components/headers/IdempotencyReplayed"}
        }
    return entry


def _content(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
