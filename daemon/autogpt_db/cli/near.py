"""What somebody may have meant who typed a name that there isn't."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str], *, otherwise: str) -> str:
    """Return a sentence that names what is nearest.

    Args:
        word: What was typed.
        known: What there is.
        otherwise: The sentence where nothing is near: how to see what there is.
    """
    near = difflib.get_close_matches(word, list(known), n=2)
    return f"Did you mean {' or '.join(near)}?" if near else otherwise
