"""What options are declared with."""

from __future__ import annotations

from msgspec import Meta


class Secret(str):
    """A string that prints as `***`; `reveal()` gives the text."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __format__(self, specification: str) -> str:
        return "***"

    def reveal(self) -> str:
        """Return the secret itself."""
        return str.__str__(self)


def option(description: str, *, ge: float | None = None, le: float | None = None) -> Meta:
    """Describe one option; `ge` and `le` bound a number."""
    return Meta(description=description, ge=ge, le=le)
