"""What a parameter accepts: for each type of a signature a fast decoding and a loose conversion.

A shape has two halves that agree. The fast half is a type for msgspec and, where that is not all, a
`finish` for what it decoded; it raises whenever in doubt. The slow half is `convert`, which takes
what `json.loads` returns, makes the loose conversions and notes what is wrong.

A shape inside a document (a JSON-valued parameter) gives plain JSON values again. Outside it gives
what PostgreSQL's parameters need, and refuses what those cannot hold: U+0000 in text, integers
beyond the column.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from autogpt_db.signatures import lax

if TYPE_CHECKING:
    from collections.abc import Callable

    from autogpt_db.signatures.detail import Location, Problems


_RAW_NULL = msgspec.Raw(b"null")


class _Invalid(enum.Enum):
    INVALID = enum.auto()


INVALID = _Invalid.INVALID
"""What `convert` returns for a value that it noted as a problem."""


class Shape:
    """What a parameter, or a part of one, accepts.

    Attributes:
        fast_type: What msgspec decodes it as.
        finish: Makes the argument of the decoded value, or raises `ValueError`; None when the
            decoded value is the argument.
    """

    fast_type: Any
    finish: Callable[[Any], Any] | None = None

    def convert(self, value: Any, location: Location, problems: Problems) -> Any:
        """Return the argument that a JSON value stands for, or `INVALID`, its problem noted.

        Args:
            value: What `json.loads` returned; it may be changed.
            location: Where it stands in the request.
            problems: Takes what is wrong with it.
        """
        raise NotImplementedError

    def schema(self) -> dict[str, Any]:
        """Return its JSON schema."""
        raise NotImplementedError


class Scalar(Shape):
    """A value that one loose conversion makes."""

    def __init__(
        self,
        fast_type: Any,
        lax_conversion: Callable[[Any], Any],
        schema: dict[str, Any],
        finish: Callable[[Any], Any] | None = None,
    ) -> None:
        self.fast_type = fast_type
        self.finish = finish
        self._lax_conversion = lax_conversion
        self._schema = schema

    def convert(self, value: Any, location: Location, problems: Problems) -> Any:
        """Convert loosely."""
        try:
            return self._lax_conversion(value)
        except lax.RefusedError as refusal:
            problems.add_refusal(refusal, location, value)
            return INVALID

    def schema(self) -> dict[str, Any]:
        """Return the schema it was made with."""
        return self._schema


class Text(Scalar):
    """A string that goes to PostgreSQL as text."""

    def __init__(self) -> None:
        super().__init__(str, lax.text, {"type": "string"}, _without_nul)

    def convert(self, value: Any, location: Location, problems: Problems) -> Any:
        """Take a string, refuse U+0000."""
        text = super().convert(value, location, problems)
        if text is not INVALID and "\0" in text:
            problems.refuse(location, "holds the character U+0000, which PostgreSQL's text cannot")
            return INVALID
        return text


def is_list(shape: Shape) -> bool:
    """Tell whether a shape is a list or null."""
    return isinstance(shape.inner if isinstance(shape, Nullable) else shape, ListOf)


def is_plain_text(shape: Shape) -> bool:
    """Tell whether a shape is text or null, and nothing else."""
    return isinstance(shape.inner if isinstance(shape, Nullable) else shape, Text)


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("U+0000")
    return text


class Integer(Scalar):
    """An integer that goes to PostgreSQL as one of so many bits."""

    def __init__(self, bits: int) -> None:
        self._bits = bits
        self._least, self._most = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        super().__init__(
            Annotated[int, msgspec.Meta(ge=self._least, le=self._most)],
            lax.integer,
            {"type": "integer", "minimum": self._least, "maximum": self._most},
        )

    def convert(self, value: Any, location: Location, problems: Problems) -> Any:
        """Convert loosely, refuse what is beyond its bits."""
        number = super().convert(value, location, problems)
        if number is not INVALID and not self._least <= number <= self._most:
            problems.refuse(location, f"is beyond the {self._bits} bits of its integer")
            return INVALID
        return number


class Nullable(Shape):
    """A shape or null."""

    def __init__(self, inner: Shape) -> None:
        self.inner = inner
        # A union with Raw would take null only, and Raw takes null as it takes everything.
        raw = inner.fast_type is msgspec.Raw
        self.fast_type = inner.fast_type if raw else inner.fast_type | None
        null = _RAW_NULL if raw else None
        finish = inner.finish
        if finish is not None:
            self.finish = lambda value: None if value == null else finish(value)

    def convert(self, value: Any, location: Location, problems: Problems) -> Any:
        """Pass null, convert the rest."""
        return None if value is None else self.inner.convert(value, location, problems)

    def schema(self) -> dict[str, Any]:
        """Return the inner schema or null."""
        return {"anyOf": [self.inner.schema(), {"type": "null"}]}


class ListOf(Shape):
    """An array of one shape."""

    def __init__(self, item: Shape) -> None:
        self._item = item
        self.fast_type = list[item.fast_type]  # type: ignore[name-defined]  # made at run time
        finish = item.finish
        if finish is not None:
            self.finish = lambda values: [finish(value) for value in values]

    def convert(self, value: Any, location: Location, problems: Problems) -> Any:
        """Convert each element."""
        if not isinstance(value, list):
            problems.add("list_type", location, "Input should be a valid list", value)
            return INVALID
        converted = [
            self._item.convert(item, (*location, place), problems)
            for place, item in enumerate(value)
        ]
        return INVALID if INVALID in converted else converted

    def schema(self) -> dict[str, Any]:
        """Return an array's schema."""
        return {"type": "array", "items": self._item.schema()}


class TupleOf(Shape):
    """An array of fixed length, each place with its shape."""

    def __init__(self, items: tuple[Shape, ...]) -> None:
        self._items = items
        self.fast_type = tuple[tuple(item.fast_type for item in items)]  # type: ignore[misc]
        self.finish = self._finish

    def _finish(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(
            value if item.finish is None else item.finish(value)
            for item, value in zip(self._items, values, strict=True)
        )

    def convert(self, value: Any, location: Location, problems: Problems) -> Any:
        """Convert each place."""
        if not isinstance(value, list):
            problems.add("tuple_type", location, "Input should be a valid tuple", value)
            return INVALID
        length = len(self._items)
        if len(value) > length:
            problems.add(
                "too_long",
                location,
                f"Tuple should have at most {length} items after validation, not {len(value)}",
                value,
                field_type="Tuple",
                max_length=length,
                actual_length=len(value),
            )
            return INVALID
        for place in range(len(value), length):
            problems.add("missing", (*location, place), "Field required", value)
        converted = tuple(
            item.convert(each, (*location, place), problems)
            for place, (item, each) in enumerate(zip(self._items, value, strict=False))
        )
        return INVALID if len(value) < length or INVALID in converted else converted

    def schema(self) -> dict[str, Any]:
        """Return a fixed array's schema."""
        length = len(self._items)
        return {
            "type": "array",
            "prefixItems": [item.schema() for item in self._items],
            "minItems": length,
            "maxItems": length,
        }
