"""Reading an expression: which columns, types and functions of AutoGPT's it refers to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from autogpt_db.database.needs import Needs
from autogpt_db.database.releases import known_columns, known_labels
from autogpt_db.statements.scopes import Scopes, Source, Sources, resolve
from autogpt_db.statements.tokens import Token, is_table, is_type, tokens

if TYPE_CHECKING:
    from collections.abc import Sequence


class Expressions(ABC):
    """Reads expressions, and gathers what they need.

    Attributes:
        uses: Tables, each with the right to it: r, a, w or d.
        columns: The same with their columns.
        inserts: Tables that get rows, and the columns that are given.
        unique: Tables, and columns that a unique index is needed over.
    """

    def __init__(self) -> None:
        self.uses: set[tuple[str, str]] = set()
        self.columns: set[tuple[str, str, str]] = set()
        self.inserts: set[tuple[str, frozenset[str]]] = set()
        self.unique: set[tuple[str, frozenset[str]]] = set()
        self._types: set[str] = set()
        self._functions: set[str] = set()
        self._texts: set[str] = set()

    def needs(self) -> Needs:
        """Return what has been gathered."""
        kinds = {known_columns().get(table, {}).get(name, "") for _, table, name in self.columns}
        enums = {kind.removesuffix("[]").strip('"') for kind in kinds} | self._types
        labels = {
            (enum, label)
            for enum in enums
            for label in known_labels().get(enum, frozenset()) & self._texts
        }
        return Needs(
            uses=frozenset(use for use in self.uses if use[1]),
            columns=frozenset(column for column in self.columns if column[1]),
            inserts=frozenset(insert for insert in self.inserts if insert[0]),
            types=frozenset(self._types),
            labels=frozenset(labels),
            unique=frozenset(one for one in self.unique if one[0]),
            functions=frozenset(self._functions),
        )

    @abstractmethod
    def query(self, given: Sequence[Token], outer: Scopes, named: Sources) -> Source:
        """Read a query within an expression, and return what it yields."""

    def expression(self, given: Sequence[Token], scopes: Scopes, named: Sources) -> None:
        """Read an expression, or anything else that refers to columns."""
        place = 0
        while place < len(given):
            token = given[place]
            if token.kind == "group":
                if token.is_query:
                    self.query(token.inside, scopes, named)
                else:
                    self.expression(token.inside, scopes, named)
                place += 1
            elif token.kind == "text":
                self._text(given, place)
                place += 1
            elif is_table(given, place):
                self._in_schema(given, place)
                place += 3
            elif token.text == "::":
                # A type's name; that of AutoGPT's is seen in the next turn.
                place += 1 if is_table(given, place + 1) else 2
            elif token.name and follows(given, place + 1, "sign", "."):
                if not follows(given, place + 3, "group"):  # else a function of a schema
                    column = given[place + 2]
                    for source in all_named(token.name, scopes)[:1]:
                        self.refer(source.tables_with(column.name, quoted=True) or set(), column)
                place += 3
            else:
                self._plain(given, place, scopes)
                place += 1

    def _text(self, given: Sequence[Token], place: int) -> None:
        text = given[place].text[1:-1]
        self._texts.add(text)
        if place + 2 < len(given) and given[place + 2].text == "regclass":
            inside = tokens(text)
            if is_table(inside, 0):
                self.uses.add(("r", inside[2].name))

    def _in_schema(self, given: Sequence[Token], place: int) -> None:
        name = given[place + 2].name
        if follows(given, place + 3, "group") and not is_type(given, place):
            self._functions.add(name)
        elif is_type(given, place):
            self._types.add(name)

    def _plain(self, given: Sequence[Token], place: int, scopes: Scopes) -> None:
        token = given[place]
        if (
            token.name
            and not follows(given, place + 1, "group")
            and not follows(given, place + 1, "sign", "=>")
            and not (place and given[place - 1].word == "AS")
        ):
            self.refer(resolve(token.name, scopes, quoted=token.kind == "name"), token)

    def refer(self, tables: set[str], column: Token) -> None:
        """Note that a column is read, of each of the tables that it may belong to."""
        self.columns |= {("r", table, column.name) for table in tables}


def all_named(alias: str, scopes: Scopes) -> list[Source]:
    """Return what an alias stands for in each of the scopes that know it."""
    return [scope[alias] for scope in scopes if alias in scope]


def follows(given: Sequence[Token], place: int, kind: str, text: str = "") -> bool:
    """Tell whether at a place there is a token of that kind, and of that text if one is given."""
    return (
        place < len(given) and given[place].kind == kind and (not text or given[place].text == text)
    )
