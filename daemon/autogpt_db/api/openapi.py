"""The methods as an OpenAPI document, from what the registry knows of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autogpt_db import __version__, models
from autogpt_db.api.idempotency import LONGEST_KEY
from autogpt_db.signatures.replies import reply_schema
from autogpt_db.signatures.schemas import Schemas

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autogpt_db.operations import Operation


def describe(operations: Mapping[str, Operation]) -> dict[str, Any]:
    """Return the document.

    Args:
        operations: What is served, by name.

    Raises:
        RegistrationError: One of them returns what cannot be described.
    """
    schemas = Schemas()
    paths = {f"/{name}": {"post": _entry(each, schemas)} for name, each in operations.items()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "autogpt-db",
            "version": __version__,
            "description": "AutoGPT's DatabaseManager: one POST for each method.",
        },
        "paths": paths,
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
            "schemas": {name: schemas.models[name] for name in sorted(schemas.models)}
            | {
                "Failure": {
                    "type": "object",
                    "properties": {
                        "type": {"type": "string"},
                        "args": {"type": "array", "items": {}},
                    },
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
                        {
                            "type": "object",
                            "properties": {"detail": {"type": "array", "items": {}}},
                        }
                    ),
                },
            },
        },
    }


def _entry(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    returned = reply_schema(operation.function, schemas)
    entry: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.subject],
        "summary": operation.summary,
        "description": operation.description,
        "x-reads": operation.reads,
        "x-tables": {
            table.name: "writes" if table.written else "reads" for table in operation.tables
        },
        "requestBody": {
            "required": True,
            "content": _content(_with_references(operation.request_schema(), schemas)),
        },
        "responses": {
            "200": {"description": "The method's return value.", "content": _content(returned)},
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


def _with_references(schema: Any, schemas: Schemas) -> Any:
    """Return a schema that refers to models where it spells them out: these alone have titles."""
    if isinstance(schema, list):
        return [_with_references(each, schemas) for each in schema]
    if not isinstance(schema, dict):
        return schema
    # A parameter may be called so, too: its schema stands there, and no name.
    if isinstance(schema.get("title"), str):
        others = {key: schema[key] for key in ("default",) if key in schema}
        return schemas.of(getattr(models, schema["title"])) | others
    return {key: _with_references(each, schemas) for key, each in schema.items()}


def _content(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
