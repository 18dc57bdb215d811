"""From a signature's annotations to shapes."""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal, NotRequired

import msgspec

from autogpt_db.models.marks import Default, Format, Label, Length
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
from autogpt_db.signatures.types import Bits, Document

if TYPE_CHECKING:
    from collections.abc import Iterable

_SCHEMAS: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
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
    if annotation is date:
        return Scalar(str, lax.date, _SCHEMAS[date], moments.date_from_text)
    if typing.get_origin(annotation) is Annotated:
        return _marked_shape(annotation)
    return _common_shape(annotation, shape_of)


def _marked_shape(annotation: Any) -> Shape:
    for mark in annotation.__metadata__:
        if isinstance(mark, Bits):
            return Integer(mark.width)
        if isinstance(mark, Document):
            content = document_shape_of(mark.shape, keeps_extra_keys=mark.keeps_extra_keys)
            return DocumentOf(content, endless_as_null=mark.endless_as_null)
    return shape_of(annotation.__origin__)


def document_shape_of(annotation: Any, *, keeps_extra_keys: bool = False) -> Shape:
    """Return the shape of something inside a document, which gives plain JSON values.

    Args:
        annotation: Its type.
        keeps_extra_keys: Whether members of objects that aren't declared are kept.
    """
    if annotation is Any:
        return AnyJson()
    if annotation in _LAX:
        return Scalar(annotation, _LAX[annotation], _SCHEMAS[annotation])
    inner = partial(document_shape_of, keeps_extra_keys=keeps_extra_keys)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return _marked_document_shape(arguments[0], arguments[1:], inner)
    if origin in {dict, Mapping} and arguments[0] is str:
        return MappingOf(inner(arguments[1]))
    model = partial(_model_shape, shape_of_member=inner, keeps_extra_keys=keeps_extra_keys)
    return _models_shape(annotation, model) or _common_shape(annotation, inner)


def _marked_document_shape(
    annotation: Any, marks: tuple[Any, ...], shape_of_part: Callable[[Any], Shape]
) -> Shape:
    if Format("date-time") in marks:
        return shape_of_part(datetime)
    for mark in marks:
        match mark:
            case Length():
                return _text_shape(mark)
            case Label(any_case):
                made: Any = enum.StrEnum  # type checkers know only those that are written out
                labels = made("Labels", [(label, label) for label in typing.get_args(annotation)])
                return _label_shape(labels, any_case=any_case)
    return shape_of_part(annotation)


def _text_shape(length: Length) -> Shape:
    return Scalar(
        Annotated[str, msgspec.Meta(min_length=length.least, max_length=length.most)],
        partial(lax.text_of_length, least=length.least, most=length.most),
        {"type": "string", "minLength": length.least, "maxLength": length.most},
    )


def _models_shape(annotation: Any, shape_of_model: Callable[[Any], ModelOf]) -> Shape | None:
    """Return the shape of a model, or of one of several that their `type` tells apart."""
    if typing.is_typeddict(annotation):
        return shape_of_model(annotation)
    parts = typing.get_args(annotation)
    if isinstance(annotation, types.UnionType) and all(map(typing.is_typeddict, parts)):
        return OneOf({_kind_of(each): shape_of_model(each) for each in parts})
    return None


def _kind_of(model: Any) -> str:
    """Return what the `type` of one of several models says."""
    (kind,) = typing.get_args(typing.get_type_hints(model)["type"])
    return str(kind)


def _model_shape(
    model: Any, *, shape_of_member: Callable[[Any], Shape], keeps_extra_keys: bool
) -> ModelOf:
    members = {}
    for name, hint in typing.get_type_hints(model, include_extras=True).items():
        annotation, default = member_of(hint)
        made = msgspec.field(default_factory=default.make) if default and default.make else None
        absent = msgspec.UNSET if typing.get_origin(hint) is NotRequired else NO_DEFAULT
        members[name] = (
            shape_of_member(annotation),
            (made or default.value) if default else absent,
        )
    return ModelOf(model.__name__, members, keeps_extra_keys=keeps_extra_keys)


def member_of(hint: Any) -> tuple[Any, Default | None]:
    """Return a member's type without what says whether it must come, and its default.

    Args:
        hint: What `typing.get_type_hints` tells of it, `Annotated` included.
    """
    if typing.get_origin(hint) is NotRequired:
        (hint,) = typing.get_args(hint)
    if typing.get_origin(hint) is not Annotated:
        return hint, None
    annotation, *marks = typing.get_args(hint)
    default = next((mark for mark in marks if isinstance(mark, Default)), None)
    others = tuple(mark for mark in marks if not isinstance(mark, Default))
    return (Annotated[(annotation, *others)] if others else annotation), default


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
