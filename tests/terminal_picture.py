"""A terminal's lines as a picture: SVG, which browsers and GitHub show, light and dark."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autogpt_db.cli.top.lines import Line

_WIDTH, _HEIGHT, _MARGIN = 8.4, 18, 12
_STYLE = (
    "text{font:14px monospace;white-space:pre;fill:#d8dee9}"
    ".b{font-weight:bold;fill:#ffffff}.h{fill:#1c2128}"
)
_LOOKS = {"title": "b", "bad": "b", "heading": "h", "": ""}


def picture_of(lines: Sequence[Line]) -> str:
    """Return a picture of lines that are equally long."""
    width = round(len(lines[0].text) * _WIDTH + 2 * _MARGIN)
    height = len(lines) * _HEIGHT + 2 * _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">',
        "<title>autogpt-db top</title>",
        f"<style>{_STYLE}</style>",
        f'<rect width="{width}" height="{height}" rx="6" fill="#1c2128"/>',
    ]
    for number, line in enumerate(lines):
        top = _MARGIN + number * _HEIGHT
        if line.style == "heading":
            bar = f'y="{top}" width="{width - 2 * _MARGIN}" height="{_HEIGHT}" fill="#d8dee9"'
            parts.append(f'<rect x="{_MARGIN}" {bar}/>')
        if text := line.text.rstrip():
            look = f' class="{_LOOKS[line.style]}"' if line.style else ""
            # Its length is said, so that columns stand below each other in every font.
            length = f'textLength="{len(text) * _WIDTH:.1f}"'
            place = f'x="{_MARGIN}" y="{top + 13}" xml:space="preserve"'
            parts.append(f"<text{look} {place} {length}>{escape(text, quote=False)}</text>")
    return "\n".join([*parts, "</svg>", ""])
