"""REST's description of itself, as OpenAPI 3.1 has it: from the resources and their models."""

from __future__ import annotations

import typing
from typing import TYPE_CHECKING, Any

from autogpt_db import __version__
from autogpt_db.errors.problem_details import MEDIA_TYPE
from autogpt_db.rest.requests import CURSOR, LIMIT, query_parameters, takes_null
from autogpt_db.rest.resources import paragraphs_of, resource_of, type_of
from autogpt_db.rest.shown import is_content
from autogpt_db.signatures.docstring import read_docstring
from autogpt_db.signatures.schemas import Schemas

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autogpt_db.operations import Operation
    from autogpt_db.operations import Parameter as OperationParameter
    from autogpt_db.settings import LimitsSettings
    from autogpt_db.signatures.docstring import Docstring

_REFUSED = {
    "400": "The parameters don't fit.",
    "401": "The token is missing, or another one.",
    "404": "There is no such thing.",
    "503": "It cannot be read now; Retry-After says when to try again.",
}


_MOMENTS: dict[str, tuple[dict[str, Any], ...]] = {
    "date-time": (
        {"type": "string", "format": "date-time"},
        {"type": "string", "format": "date"},
        {"type": "number", "description": "Seconds since 1970."},
    )
}
"""How a moment may be written in a query."""


class _SchemasShown(Schemas):
    """Schemas of what is shown of models."""

    def __init__(self, *, content: bool) -> None:
        """Begin with no models.

        Args:
            content: Whether users' content is shown.
        """
        super().__init__()
        self._content = content

    def _members(self, model: Any) -> dict[str, Any]:
        members = super()._members(model)
        return {
            name: hint for name, hint in members.items() if self._content or not is_content(hint)
        }


def describe(
    resources: Mapping[str, Operation], *, content: bool, limits: LimitsSettings
) -> dict[str, Any]:
    """Return the document.

    Args:
        resources: What is served, by path.
        content: Whether users' content is shown.
        limits: Bound pages.
    """
    schemas = _SchemasShown(content=content)
    paths = {
        f"/v1{path}": {"get": _entry(path, operation, schemas, limits)}
        for path, operation in resources.items()
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "autogpt-db, for operators",
            "version": __version__,
            "description": "What the service's database holds, read-only.",
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {name: schemas.models[name] for name in sorted(schemas.models)}
            | {"Problem": _PROBLEM_SCHEMA},
            "responses": {
                "NotModified": {"description": "The client has it (If-None-Match)."},
                **{f"Problem{status}": _refused(text) for status, text in _REFUSED.items()},
            },
            "headers": {
                "ETag": {"description": "Of this very document.", "schema": {"type": "string"}},
                "Link": {
                    "description": "The first page, and the next one where there is one, each "
                    "relative to what was asked for.",
                    "schema": {"type": "string"},
                },
            },
            "parameters": {
                "IfNoneMatch": {
                    "name": "If-None-Match",
                    "in": "header",
                    "description": "The ETag of what the client has.",
                    "schema": {"type": "string"},
                },
                "Cursor": {
                    "name": CURSOR,
                    "in": "query",
                    "description": "Where the page begins, from the Link of the page before.",
                    "schema": {"type": "string"},
                },
            },
        },
    }


_PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "What is wrong, as RFC 9457 has it.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"parameter": {"type": "string"}, "detail": {"type": "string"}},
                "required": ["parameter", "detail"],
            },
        },
    },
    "required": ["type", "title", "status", "detail"],
}


def _refused(text: str) -> dict[str, Any]:
    return {
        "description": text,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def _entry(
    path: str, operation: Operation, schemas: Schemas, limits: LimitsSettings
) -> dict[str, Any]:
    resource = resource_of(operation)
    by_name = {each.name: each for each in operation.parameters}
    told = read_docstring(operation.description)
    paragraphs = paragraphs_of(operation)
    parameters: list[dict[str, Any]] = [
        _described(by_name[name], "path", told, required=True) for name in resource.placeholders
    ]
    for each in query_parameters(operation):
        required = each.required and not takes_null(each)
        found = _described(each, "query", told, required=required)
        if resource.pages_by and each.name == LIMIT:
            found["schema"] |= {"minimum": 1, "maximum": limits.page_size}
        parameters.append(found)
    headers = {"ETag": {"$ref": "#/components/headers/ETag"}}
    if resource.pages_by:
        parameters.append({"$ref": "#/components/parameters/Cursor"})
        headers["Link"] = {"$ref": "#/components/headers/Link"}
    parameters.append({"$ref": "#/components/parameters/IfNoneMatch"})
    return {
        "operationId": operation.name,
        "tags": [path.split("/")[1]],
        "summary": paragraphs[0],
        "description": "\n\n".join(paragraphs),
        "parameters": parameters,
        "responses": {
            "200": {
                "description": paragraphs[0],
                "headers": headers,
                "content": {"application/json": {"schema": schemas.of(_present(operation))}},
            },
            "304": {"$ref": "#/components/responses/NotModified"},
            **{status: {"$ref": f"#/components/responses/Problem{status}"} for status in _REFUSED},
        },
    }


def _present(operation: Operation) -> Any:
    """Return the type of what comes with status 200: of nothing there is 404."""
    annotation = type_of(operation)
    parts = [each for each in typing.get_args(annotation) if each is not type(None)]
    if type(None) in typing.get_args(annotation) and len(parts) == 1:
        return parts[0]
    return annotation


def _described(
    parameter: OperationParameter, place: str, told: Docstring, *, required: bool
) -> dict[str, Any]:
    kinds = parameter.schema.get("anyOf", [parameter.schema])
    kinds = [kind for kind in kinds if kind != {"type": "null"}]
    kinds = [each for kind in kinds for each in _MOMENTS.get(kind.get("format", ""), (kind,))]
    schema = dict(kinds[0]) if len(kinds) == 1 else {"anyOf": kinds}
    if place == "path":
        schema["minLength"] = 1
    elif not parameter.required and parameter.default is not None:
        schema["default"] = parameter.default
    return {
        "name": parameter.name,
        "in": place,
        "description": told.arguments.get(parameter.name, ""),
        "required": required,
        "schema": schema,
    }
