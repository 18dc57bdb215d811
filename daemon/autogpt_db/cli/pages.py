"""The pages that come with the program: how-tos and references."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

KINDS = {"howto": "How to", "reference": "Reference"}
"""Each kind of page, by its folder below docs/, and its title."""


def topics(kind: str) -> dict[str, str]:
    """Return the pages of a kind: each page's name, and its text.

    Args:
        kind: `howto` or `reference`.
    """
    installed: Traversable = resources.files("autogpt_db").joinpath("docs", kind)
    if not installed.is_dir():
        installed = Path(__file__).parents[3] / "docs" / kind
    pages = sorted(
        (page for page in installed.iterdir() if page.name.endswith(".md")),
        key=lambda page: page.name,
    )
    return {page.name.removesuffix(".md"): page.read_text("utf-8") for page in pages}


def heading(text: str) -> str:
    """Return a page's heading.

    Args:
        text: The page.
    """
    return next(line[2:] for line in text.splitlines() if line.startswith("# "))
