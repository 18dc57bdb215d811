"""What members of models are marked with, beyond their types.

Marks of two kinds are never equal, whatever they say: Python before 3.11.4 makes one type of all
`Annotated` whose parts are equal, as two tuples without members are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Default:
    """Says what stands for a member of an argument that doesn't come.

    A member that may be absent and has none stays away.

    Attributes:
        value: The value.
        make: Makes one for each object, where a value would be shared.
    """

    value: Any = None
    make: Callable[[], Any] | None = None


@dataclass(frozen=True, slots=True)
class Label:
    """Says that a text, in an argument, is a label of an enumeration of AutoGPT's.

    Attributes:
        any_case: Whether it counts in any letter case.
    """

    any_case: bool = False


@dataclass(frozen=True, slots=True)
class Format:
    """Says how a text is written.

    Attributes:
        name: As JSON Schema calls it.
    """

    name: str


@dataclass(frozen=True, slots=True)
class Length:
    """Says how many characters a text has in an argument.

    Attributes:
        least: At least.
        most: At most.
    """

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Content:
    """Says that a member holds what users have written, uploaded or been answered.

    Where an operator looks on (`admin.show_content`), it is left out unless that is wanted.
    """


@dataclass(frozen=True, slots=True)
class Secret:
    """Says that a member opens something: what has one is shown to no onlooker at all."""


Moment = Annotated[str, Format("date-time")]
"""A moment as RFC 3339 has it, in UTC."""

Date = Annotated[str, Format("date")]
"""A date as RFC 3339 has it."""
