"""JSON Schemas of what is declared as types: models, and what holds them."""

from __future__ import annotations

import inspect
import types
import typing
from typing import Annotated, Any, Literal, NotRequired

from autogpt_db.models.marks import Format, Length
from autogpt_db.signatures.annotations import member_of

_SCALARS: dict[Any, dict[str, Any]] = {
    Any: {},
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    None: {"type": "null"},
    types.NoneType: {"type": "null"},
}


class Schemas:
    """Makes schemas; those of models stand apart, and are referred to.

    Attributes:
        models: The schemas of the models that were met, by name.
    """

    def __init__(self, place: str = "#/components/schemas/") -> None:
        """Begin with no models.

        Args:
            place: What stands before a model's name where it is referred to.
        """
        self.models: dict[str, dict[str, Any]] = {}
        self._place = place

    def of(self, annotation: Any) -> dict[str, Any]:
        """Return the schema of a type.

        Args:
            annotation: The type, resolved.

        Raises:
            TypeError: No JSON value is of this type; the message names it.
        """
        if annotation in _SCALARS:
            return dict(_SCALARS[annotation])
        if typing.is_typeddict(annotation):
            return self._reference(annotation)
        origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
        if origin is Annotated:
            return self.of(arguments[0]) | _marked(arguments[1:])
        return self._composed(annotation, origin, arguments)

    def _composed(self, annotation: Any, origin: Any, arguments: tuple[Any, ...]) -> dict[str, Any]:
        if origin is Literal:
            return {"type": "string", "enum": list(arguments)}
        if origin in {typing.Union, types.UnionType}:
            return {"anyOf": [self.of(each) for each in arguments]}
        if origin is list:
            return {"type": "array", "items": self.of(arguments[0])}
        if origin is tuple:
            return {
                "type": "array",
                "prefixItems": [self.of(each) for each in arguments],
                "minItems": len(arguments),
                "maxItems": len(arguments),
            }
        if origin is dict and arguments[0] is str:
            return {"type": "object", "additionalProperties": self.of(arguments[1])}
        raise TypeError(f"{annotation} is no type of a JSON value")

    def _reference(self, model: Any) -> dict[str, Any]:
        name = model.__name__
        if name not in self.models:
            self.models[name] = {}  # one that holds itself finds itself
            self.models[name].update(self._object(model))
        return {"$ref": f"{self._place}{name}"}

    def _members(self, model: Any) -> dict[str, Any]:
        """Return a model's members by name, as `typing.get_type_hints` tells of them."""
        return typing.get_type_hints(model, include_extras=True)

    def _object(self, model: Any) -> dict[str, Any]:
        hints = self._members(model)
        properties = {}
        for name, hint in hints.items():
            annotation, default = member_of(hint)
            properties[name] = self.of(annotation)
            if default is not None and default.make is None:
                # Beside a reference other keywords count since OpenAPI 3.1.
                properties[name] |= {"default": default.value}
        return {
            "type": "object",
            "title": model.__name__,
            "description": inspect.getdoc(model),
            "properties": properties,
            "required": [
                name for name, hint in hints.items() if typing.get_origin(hint) is not NotRequired
            ],
        }


def _marked(marks: tuple[Any, ...]) -> dict[str, Any]:
    """Return what marks add to a type's schema."""
    found: dict[str, Any] = {}
    for mark in marks:
        match mark:
            case Format(name):
                found["format"] = name
            case Length(least, most):
                found |= {"minLength": least, "maxLength": most}
    return found
