"""What is wrong with a request, gathered over all its fields, and told as the contract tells it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from autogpt_db.errors import ArgumentsInvalidError, InvalidValueError

if TYPE_CHECKING:
    from autogpt_db.operations.lax import RefusedError

Location = tuple[str | int, ...]

MAXIMUM_SHOWN = 65_536
"""Characters of a wrong value that its error repeats."""


class Problems:
    """Gathers the faults of one request, then raises them together."""

    def __init__(self) -> None:
        self._entries: list[dict[str, Any]] = []
        self._refused: list[str] = []

    def add(self, kind: str, location: Location, message: str, value: Any, **context: Any) -> None:
        """Note that `value` doesn't fit the signature: a 422.

        Args:
            kind: The entry's `type`, pydantic's word for it.
            location: Where it stands: `("body", field, …)`.
            message: The entry's `msg`.
            value: The entry's `input`.
            context: The entry's `ctx`, if any.
        """
        entry = {"type": kind, "loc": list(location), "msg": message, "input": value}
        if context:
            entry["ctx"] = context
        self._entries.append(entry)

    def add_refusal(self, refusal: RefusedError, location: Location, value: Any) -> None:
        """Note a conversion's refusal."""
        self.add(refusal.kind, location, refusal.message, value, **refusal.context)

    def refuse(self, location: Location, message: str) -> None:
        """Note that a value fits the signature but not PostgreSQL: a 400.

        Args:
            location: Where it stands.
            message: What is wrong with it, to follow its name.
        """
        name = ".".join(str(part) for part in location[1:])
        self._refused.append(f"{name} {message}")

    def raise_any(self) -> None:
        """Raise what was noted.

        Raises:
            ArgumentsInvalidError: Something doesn't fit the signature.
            InvalidValueError: Everything fits, but a value cannot be stored or compared; or an
                error would have to repeat a number that JSON doesn't know.
        """
        if self._entries:
            shown: dict[int, Any] = {}
            for entry in self._entries:
                value = entry["input"]
                if id(value) not in shown:
                    shown[id(value)] = _shown(value)
                entry["input"] = shown[id(value)]
                entry["loc"] = _shown(entry["loc"])
            raise ArgumentsInvalidError(self._entries)
        if self._refused:
            raise InvalidValueError("; ".join(self._refused) + ".")


def _shown(value: Any) -> Any:
    """Return `value` as a reply can carry it: Unicode, of bounded length."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise InvalidValueError(
            "The request doesn't fit the method's signature, and it holds NaN, an infinity or a "
            "number too large for a double, which its error could not repeat."
        ) from error
    if len(text) > MAXIMUM_SHOWN:
        return f"({len(text)} characters of JSON, too many to repeat)"
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.loads(text.encode("utf-8", "replace"))
    return value
