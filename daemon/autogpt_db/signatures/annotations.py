"""From a signature's annotations to shapes."""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from autogpt_db.signatures import lax, moments
from autogpt_db.signatures.documents import (
    NO_DEFAULT,
    AnyJson,
    DocumentOf,
    MappingOf,
    ModelOf,
    OneOf,
)
from autogpt_db.signatures.shapes import Integer, ListOf, Nullable, Scalar, Shape, Text, TupleOf
from autogpt_db.signatures.types import AnyCase, Bits, Document, Model

if TYPE_CHECKING:
    from collections.abc import Iterable

_SCHEMAS: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    datetime: {"type": "string", "format": "date-time"},
}

# Inside a document an integer has no bounds, and text may hold U+0000, which the cleaner removes.
_LAX: dict[Any, Callable[[Any], Any]] = {
    str: lax.text,
    int: lax.integer,
    float: lax.number,
    bool: lax.boolean,
    datetime: lax.moment,
}


def shape_of(annotation: Any) -> Shape:
    """Return the shape of a parameter.

    Args:
        annotation: Its type, `Annotated` included.

    Raises:
        TypeError: No shape stands for this type; the message names it.
    """
    if annotation is str:
        return Text()
    if annotation is int:
        return Integer(32)
    if annotation is datetime:
        return Scalar(str, lax.moment, _SCHEMAS[datetime], moments.from_text)
    if typing.get_origin(annotation) is Annotated:
        return _marked_shape(annotation)
    return _common_shape(annotation, shape_of)


def _marked_shape(annotation: Any) -> Shape:
    for mark in annotation.__metadata__:
        if isinstance(mark, Bits):
            return Integer(mark.width)
        if isinstance(mark, Document):
            content = document_shape_of(mark.shape)
            return DocumentOf(content, endless_as_null=mark.endless_as_null)
    return shape_of(annotation.__origin__)


def document_shape_of(annotation: Any) -> Shape:
    """Return the shape of something inside a document, which gives plain JSON values."""
    if annotation is Any:
        return AnyJson()
    if annotation in _LAX:
        return Scalar(annotation, _LAX[annotation], _SCHEMAS[annotation])
    if typing.get_origin(annotation) is Annotated and AnyCase() in annotation.__metadata__:
        return _label_shape(annotation.__origin__, any_case=True)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in {dict, Mapping} and arguments[0] is str:
        return MappingOf(document_shape_of(arguments[1]))
    return _models_shape(annotation) or _common_shape(annotation, document_shape_of)


def _models_shape(annotation: Any) -> Shape | None:
    """Return the shape of a model, or of one of several that their `type` tells apart."""
    if _is_model(annotation):
        return _model_shape(annotation)
    arguments = typing.get_args(annotation)
    if isinstance(annotation, types.UnionType) and all(map(_is_model, arguments)):
        models = {typing.get_type_hints(each)["type"].__args__[0]: each for each in arguments}
        return OneOf({kind: _model_shape(model) for kind, model in models.items()})
    return None


def _model_shape(model: type[Model]) -> ModelOf:
    hints = typing.get_type_hints(model, include_extras=True)
    return ModelOf(
        model.__name__,
        {
            name: (document_shape_of(hints[name]), getattr(model, name, NO_DEFAULT))
            for name in hints
            if name not in Model.__annotations__
        },
        keeps_extra_keys=model.keeps_extra_keys,
    )


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Model)


def _common_shape(annotation: Any, shape_of_part: Callable[[Any], Shape]) -> Shape:
    """Return the shape of a type that is the same inside documents and outside."""
    if annotation is float:
        return Scalar(float, lax.number, _SCHEMAS[float])
    if annotation is bool:
        return Scalar(bool, lax.boolean, _SCHEMAS[bool])
    if isinstance(annotation, type) and issubclass(annotation, enum.StrEnum):
        return _label_shape(annotation)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal and all(isinstance(each, str) for each in arguments):
        return Scalar(annotation, partial(lax.choice, choices=arguments), _one_of(arguments))
    shape = _composed_shape(origin, arguments, shape_of_part)
    if shape is None:
        raise TypeError(f"{annotation} is no type that a request can carry")
    return shape


def _composed_shape(
    origin: Any, arguments: tuple[Any, ...], shape_of_part: Callable[[Any], Shape]
) -> Shape | None:
    if origin in {typing.Union, types.UnionType}:
        rest = [each for each in arguments if each is not types.NoneType]
        return Nullable(shape_of_part(rest[0])) if len(rest) == 1 else None
    if origin is list:
        return ListOf(shape_of_part(arguments[0]))
    if origin is tuple and Ellipsis not in arguments:
        return TupleOf(tuple(shape_of_part(each) for each in arguments))
    return None


def _label_shape(labels: type[enum.StrEnum], *, any_case: bool = False) -> Shape:
    values = [member.value for member in labels]
    conversion = lax.label_in_any_case if any_case else lax.label
    return Scalar(labels, partial(conversion, labels=labels), _one_of(values))


def _one_of(labels: Iterable[str]) -> dict[str, Any]:
    return {"type": "string", "enum": list(labels)}
