"""What is wrong with a request, gathered over all its fields, and told as the contract tells it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from autogpt_db.errors import ArgumentsInvalidError, ArgumentsUnfitError, InvalidValueError, Unfit

if TYPE_CHECKING:
    from autogpt_db.signatures.lax import RefusedError

Location = tuple[str | int, ...]

MAXIMUM_SHOWN = 65_536
"""Characters of a wrong value that its error repeats."""
MAXIMUM_SHOWN_TOGETHER = 16 * MAXIMUM_SHOWN
"""Characters of all wrong values together that a reply repeats."""
MOST_PROBLEMS = 100
"""Problems after which no more are looked for: a body can have one in every three bytes."""
LONGEST_PLACE = 1000
"""Characters of a place in a request, in a refusal: a key can be as long as the body."""


class Problems:
    """Gathers the faults of one request, then raises them together."""

    def __init__(self) -> None:
        self._entries: list[dict[str, Any]] = []
        self._unfit: list[Unfit] = []

    def add(self, kind: str, location: Location, message: str, value: Any, **context: Any) -> None:
        """Note that `value` doesn't fit the signature: a 422.

        Args:
            kind: The entry's `type`, pydantic's word for it.
            location: Where it stands: `("body", field, …)`.
            message: The entry's `msg`.
            value: The entry's `input`.
            context: The entry's `ctx`, if any.

        Raises:
            ArgumentsInvalidError: It is one of many, and enough is known.
        """
        entry = {"type": kind, "loc": list(location), "msg": message, "input": value}
        if context:
            entry["ctx"] = context
        self._entries.append(entry)
        if len(self._entries) >= MOST_PROBLEMS:
            self.raise_any()

    def add_refusal(self, refusal: RefusedError, location: Location, value: Any) -> None:
        """Note a conversion's refusal."""
        self.add(refusal.kind, location, refusal.message, value, **refusal.context)

    def refuse(self, location: Location, message: str) -> None:
        """Note that a value fits the signature but not PostgreSQL: a 400.

        Args:
            location: Where it stands.
            message: What is wrong with it, to follow its name.

        Raises:
            ArgumentsUnfitError: It is one of many, and enough is known.
        """
        place = ".".join(str(part) for part in location[1:])
        if len(place) > LONGEST_PLACE:
            place = f"{place[:LONGEST_PLACE]}…"
        self._unfit.append(Unfit(str(location[1]), place, message))
        if len(self._unfit) >= MOST_PROBLEMS:
            self.raise_any()

    def raise_any(self) -> None:
        """Raise what was noted.

        Raises:
            ArgumentsInvalidError: Something doesn't fit the signature.
            ArgumentsUnfitError: Everything fits, but a value cannot be stored or compared.
            InvalidValueError: An error would have to repeat a number that JSON doesn't know.
        """
        if self._entries:
            shown: dict[int, tuple[Any, int]] = {}
            room = MAXIMUM_SHOWN_TOGETHER
            for entry in self._entries:
                value = entry["input"]
                if id(value) not in shown:
                    shown[id(value)] = _shown(value)
                entry["input"], size = shown[id(value)]
                entry["loc"], place_size = _shown(entry["loc"])
                room -= size + place_size
                if room < 0:
                    entry["input"], entry["loc"] = _too_long(size), entry["loc"][:1]
            raise ArgumentsInvalidError(self._entries)
        if self._unfit:
            raise ArgumentsUnfitError(self._unfit)


def _shown(value: Any) -> tuple[Any, int]:
    """Return `value` as a reply can carry it, Unicode of bounded length, and its size."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise InvalidValueError(
            "The request doesn't fit the method's signature, and it holds NaN, an infinity or a "
            "number too large for a double, which its error could not repeat."
        ) from error
    if len(text) > MAXIMUM_SHOWN:
        return _too_long(len(text)), 0
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.loads(text.encode("utf-8", "replace")), len(text)
    return value, len(text)


def _too_long(size: int) -> str:
    return f"({size} characters of JSON, too many to repeat)"
