"""SQL as tokens, with what stands in parentheses inside of one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from autogpt_db.statements.whole import QUERIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

SCHEMA = "platform"
"""What stands for AutoGPT's schema in our statements, whatever its name in a database."""

_TOKEN = re.compile(
    r"""--[^\n]*|/\*.*?\*/|\s+
      |(?P<text>'(?:[^']|'')*')
      |(?P<name>"(?:[^"]|"")*")
      |(?P<parameter>%\(\w+\)s)
      |(?P<word>[A-Za-z_]\w*)
      |(?P<number>\d[\w.]*)
      |(?P<sign>::|=>|[<>=!|&@?%\#~+*/^-]+|[()\[\],.;:])""",
    re.VERBOSE | re.DOTALL,
)


class Token(NamedTuple):
    """A word, name, text, sign …, or a group: what stands in parentheses.

    Attributes:
        kind: Which of these.
        text: As it is written.
        word: An unquoted word in capitals, "" for anything else.
        name: What an identifier names, "" for anything else.
        inside: What a group holds.
    """

    kind: str
    text: str
    word: str = ""
    name: str = ""
    inside: tuple[Token, ...] = ()

    @property
    def is_query(self) -> bool:
        """Tell whether this is a query in parentheses."""
        return self.kind == "group" and bool(self.inside) and self.inside[0].word in QUERIES


def tokens(text: str) -> tuple[Token, ...]:
    """Return the tokens of a text; parentheses that have no partner stand for nothing."""
    stack: list[list[Token]] = [[]]
    add = stack[0].append
    for match in _TOKEN.finditer(text):
        kind, found = match.lastgroup, match[0]
        if kind == "word":
            add(Token(kind, found, found.upper(), found))
        elif kind == "name":
            add(Token(kind, found, "", found[1:-1].replace('""', '"')))
        elif found == "(":
            stack.append([])
            add = stack[-1].append
        elif found == ")":
            if len(stack) > 1:
                inside = tuple(stack.pop())
                add = stack[-1].append
                add(Token("group", "()", inside=inside))
        elif kind is not None:
            add(Token(kind, found))
    while len(stack) > 1:
        inside = tuple(stack.pop())
        stack[-1].append(Token("group", "()", inside=inside))
    return tuple(stack[0])


def flat(given: Iterable[Token]) -> Iterator[Token]:
    """Yield the tokens without their groups."""
    for token in given:
        if token.kind == "group":
            yield from flat(token.inside)
        else:
            yield token


def is_table(given: Sequence[Token], place: int) -> bool:
    """Tell whether `platform."X"` stands there."""
    return (
        place < len(given)
        and given[place].text == SCHEMA
        and place + 2 < len(given)
        and given[place + 1].text == "."
        and bool(given[place + 2].name)
    )


def is_type(given: Sequence[Token], place: int) -> bool:
    """Tell whether what stands there follows a cast."""
    return place > 0 and (given[place - 1].text == "::" or given[place - 1].word == "AS")


def split(given: Sequence[Token], separators: Sequence[str]) -> list[Sequence[Token]]:
    """Return what stands between words or signs."""
    found: list[Sequence[Token]] = []
    begin = 0
    for place, token in enumerate(given):
        if (token.word or token.text) in separators:
            found.append(given[begin:place])
            begin = place + 1
    return [*found, given[begin:]]
