"""A method's docstring, taken apart: what it does, its arguments, its result, its errors."""

from __future__ import annotations

import re
from typing import NamedTuple

_SECTIONS = ("Args", "Returns", "Raises")
_HEADING = re.compile(rf"^({'|'.join(_SECTIONS)}):$", re.MULTILINE)
_SENTENCE = re.compile(r"(.*?[.?!])(?=\s|$)", re.DOTALL)
_ITEM = re.compile(r"^ {4}(\w+): ", re.MULTILINE)


class Docstring(NamedTuple):
    """The parts of a docstring, each without line feeds.

    Attributes:
        paragraphs: What stands before the first section.
        arguments: What each argument means, by its name.
        returns: What is returned; "" where it doesn't say.
        errors: When each error is raised, by its name.
    """

    paragraphs: tuple[str, ...]
    arguments: dict[str, str]
    returns: str
    errors: dict[str, str]


def read_docstring(text: str) -> Docstring:
    """Return the parts of a docstring in Google's style.

    Args:
        text: Without its indentation, as `inspect.getdoc` returns it.
    """
    first, *rest = _HEADING.split(text)
    sections = dict(zip(rest[::2], rest[1::2], strict=True))
    return Docstring(
        paragraphs=tuple(_line(each) for each in first.split("\n\n") if each.strip()),
        arguments=_items(sections.get("Args", "")),
        returns=_line(sections.get("Returns", "")),
        errors=_items(sections.get("Raises", "")),
    )


def first_sentence(text: str) -> str:
    """Return the first sentence of a text, with its full stop; all of one that has none.

    Args:
        text: One line or several.
    """
    found = _SENTENCE.match(text)
    return _line(found[1] if found else text)


def _items(section: str) -> dict[str, str]:
    _, *rest = _ITEM.split(section)
    return {name: _line(text) for name, text in zip(rest[::2], rest[1::2], strict=True)}


def _line(text: str) -> str:
    return " ".join(text.split())
