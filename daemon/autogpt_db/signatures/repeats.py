"""What a blind repeat of a write does, declared beside it."""

from __future__ import annotations

from typing import NamedTuple


class Repeat(NamedTuple):
    """What the same call does when it comes again without an idempotency key.

    Attributes:
        harmless: Whether, right after the first, it leaves everything as that has left it.
        effect: What it does, as a sentence.
    """

    harmless: bool
    effect: str


def harmless(effect: str) -> Repeat:
    """Declare that a repeat changes nothing but the moments of change."""
    return Repeat(harmless=True, effect=effect)


def harmful(effect: str) -> Repeat:
    """Declare that a repeat does something again."""
    return Repeat(harmless=False, effect=effect)
