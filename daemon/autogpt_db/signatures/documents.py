"""JSON-valued parameters: what their documents may hold, and how they become cleaned text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from autogpt_db.signatures.json_text import (
    JsonText,
    NotStorableError,
    NotUnicodeError,
    clean,
    clean_text_of,
    with_endless_numbers_as_null,
)
from autogpt_db.signatures.shapes import INVALID, Shape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autogpt_db.signatures.detail import Location, Problems

_encode = msgspec.json.Encoder().encode

NO_DEFAULT = msgspec.NODEFAULT
_Field: type[Any] = type(msgspec.field(default_factory=list))


class AnyJson(Shape):
    """Any JSON value, unread."""

    fast_type = msgspec.Raw

    def convert(self, value: Any, location: Location, problems: Problems) -> Any:  # noqa: ARG002
        """Take anything."""
        return value

    def schema(self) -> dict[str, Any]:
        """Return the schema that everything fits."""
        return {}


class MappingOf(Shape):
    """An object with any keys and members of one shape."""

    def __init__(self, member: Shape) -> None:
        self.member = member
        self.fast_type = dict[str, member.fast_type]  # type: ignore[name-defined]  # at run time

    def convert(self, value: Any, location: Location, problems: Problems) -> Any:
        """Convert each member."""
        if not isinstance(value, dict):
            problems.add("dict_type", location, "Input should be a valid dictionary", value)
            return INVALID
        if isinstance(self.member, AnyJson):
            return value
        converted = {
            key: self.member.convert(member, (*location, key), problems)
            for key, member in value.items()
        }
        return INVALID if INVALID in converted.values() else converted

    def schema(self) -> dict[str, Any]:
        """Return an object's schema."""
        return {"type": "object", "additionalProperties": self.member.schema() or True}


class ModelOf(Shape):
    """An object with declared members.

    Attributes:
        members: Shape and default by key.
    """

    def __init__(
        self,
        name: str,
        members: Mapping[str, tuple[Shape, Any]],
        *,
        keeps_extra_keys: bool,
    ) -> None:
        """Compile the fast half.

        Args:
            name: The model's name.
            members: Shape and default by key; `NO_DEFAULT` where it must be there, `UNSET` where
                it may be absent and stays so, a `msgspec.field` where each object gets a default of
                its own.
            keeps_extra_keys: Whether members beyond these are kept.
        """
        self._name = name
        self.members = members
        self._keeps_extra_keys = keeps_extra_keys
        self.fast_type = msgspec.defstruct(
            name,
            [
                (key, _or_absent(shape.fast_type, default), default)
                for key, (shape, default) in members.items()
            ],
            kw_only=True,
            # The struct has no place for them: the slow half keeps them.
            forbid_unknown_fields=keeps_extra_keys,
        )

    def convert(self, value: Any, location: Location, problems: Problems) -> Any:
        """Convert each declared member, fill in the defaults."""
        if not isinstance(value, dict):
            problems.add(
                "model_attributes_type",
                location,
                "Input should be a valid dictionary or object to extract fields from",
                value,
            )
            return INVALID
        converted: dict[str, Any] = {}
        for key, (shape, default) in self.members.items():
            if key in value:
                converted[key] = shape.convert(value[key], (*location, key), problems)
            elif default is NO_DEFAULT:
                problems.add("missing", (*location, key), "Field required", value)
                converted[key] = INVALID
            elif default is not msgspec.UNSET:
                converted[key] = _made(default)
        if INVALID in converted.values():
            return INVALID
        if self._keeps_extra_keys:
            converted |= {key: value[key] for key in value if key not in self.members}
        return converted

    def schema(self) -> dict[str, Any]:
        """Return an object's schema."""
        required = [key for key, (_, default) in self.members.items() if default is NO_DEFAULT]
        return {
            "title": self._name,
            "type": "object",
            "properties": {
                key: shape.schema()
                | ({} if _made_late(default) or key in required else {"default": default})
                for key, (shape, default) in self.members.items()
            },
            "required": required,
            "additionalProperties": True,
        }


class OneOf(Shape):
    """One of several objects with declared members, told apart by their `type`.

    Attributes:
        models: They, by what their `type` says.
    """

    # Matches nothing: which of them it is, and what is wrong with it, the slow half says.
    fast_type = Literal["\0"]

    def __init__(self, models: Mapping[str, ModelOf]) -> None:
        """Take the models by what their `type` says."""
        self.models = models

    def convert(self, value: Any, location: Location, problems: Problems) -> Any:
        """Convert as the model that `type` names."""
        kind = value.get("type") if isinstance(value, dict) else None
        model = self.models.get(kind) if isinstance(kind, str) else None
        if model is not None:
            return model.convert(value, location, problems)
        problems.add(
            "union_tag_invalid",
            location,
            "Input should be an object whose 'type' is one of: " + ", ".join(self.models),
            value,
        )
        return INVALID

    def schema(self) -> dict[str, Any]:
        """Return the schemas of all."""
        return {"oneOf": [model.schema() for model in self.models.values()]}


class DocumentOf(Shape):
    """A JSON-valued parameter: delivered as the cleaned text of what its shape makes of it."""

    fast_type = msgspec.Raw

    def __init__(self, content: Shape, *, endless_as_null: bool = False) -> None:
        self._content = content
        self._endless_as_null = endless_as_null
        if isinstance(content, AnyJson):
            self.finish = clean
        elif isinstance(content, MappingOf) and isinstance(content.member, AnyJson):
            self.finish = _clean_object
        else:
            decode = msgspec.json.Decoder(content.fast_type).decode
            # Decoded to be validated; encoded again to be what the validation made of it.
            self.finish = lambda raw: clean(_encode(decode(raw)))

    def convert(self, value: Any, location: Location, problems: Problems) -> JsonText | Any:
        """Convert, clean and encode."""
        converted = self._content.convert(value, location, problems)
        if converted is INVALID:
            return INVALID
        if self._endless_as_null:
            converted = with_endless_numbers_as_null(converted)
        try:
            return clean_text_of(converted)
        except NotStorableError as error:
            problems.refuse(location, str(error))
        except NotUnicodeError:
            problems.add(
                "string_unicode",
                location,
                "Input should be valid JSON, a string in it is no Unicode text",
                value,
            )
        return INVALID

    def schema(self) -> dict[str, Any]:
        """Return the content's schema."""
        return self._content.schema()


def _or_absent(fast_type: Any, default: Any) -> Any:
    return fast_type | msgspec.UnsetType if default is msgspec.UNSET else fast_type


def _made_late(default: Any) -> bool:
    return default is msgspec.UNSET or isinstance(default, _Field)


def _made(default: Any) -> Any:
    return default.default_factory() if isinstance(default, _Field) else default


def _clean_object(raw: msgspec.Raw) -> JsonText:
    text = bytes(raw)
    if not text.startswith(b"{"):
        raise ValueError("not an object")
    return clean(text)
