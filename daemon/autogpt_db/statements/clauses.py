"""Reading the clauses of a statement: what it reads from, sets and yields."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.statements.expressions import Expressions, all_named, follows
from autogpt_db.statements.scopes import Scope, Scopes, Source, Sources
from autogpt_db.statements.tokens import Token, is_table, split
from autogpt_db.statements.whole import QUERIES

if TYPE_CHECKING:
    from collections.abc import Sequence

UNIONS = ("UNION", "INTERSECT", "EXCEPT")
AFTER_LIST = (
    "FROM", "WHERE", "GROUP", "HAVING", "WINDOW", "ORDER", "LIMIT", "OFFSET", "FETCH", "FOR",
)  # fmt: skip
_JOINS = frozenset({
    "JOIN", "LEFT", "RIGHT", "FULL", "INNER", "OUTER", "CROSS", "NATURAL", "LATERAL", "ONLY",
})  # fmt: skip
NO_ALIAS = _JOINS.union(AFTER_LIST, UNIONS, QUERIES, {"ON", "USING", "SET", "DEFAULT"})


class Clauses(Expressions):
    """Reads clauses."""

    def set_clause(
        self, given: Sequence[Token], table: str, scopes: Scopes, named: Sources
    ) -> None:
        """Read what a SET gives to which columns, and the condition behind it."""
        assignments, *clauses = clauses_of(given, ("WHERE",))
        for assignment in split(assignments, (",",)):
            first = assignment[0]
            targets = first.inside if first.kind == "group" else (first,)
            self.columns |= {("w", table, token.name) for token in targets if token.name}
            self.expression(assignment[1:], scopes, named)
        for clause in clauses:
            self.expression(clause[1:], scopes, named)

    def yielded(self, given: Sequence[Token], scopes: Scopes, named: Sources) -> Source:
        """Read what a query yields: names, and stars."""
        place = 0
        if given and given[0].word in {"DISTINCT", "ALL"}:
            place = 1
            if len(given) > 1 and given[1].word == "ON":
                self.expression(given[2:3], scopes, named)
                place = 3
        result = Source()
        for item in split(given[place:], (",",)):
            if not item:
                continue
            if item[-1].text == "*":
                chosen = (
                    list(scopes[0].values()) if len(item) == 1 else all_named(item[0].name, scopes)
                )
                result.stars += chosen
                continue
            if len(item) > 1 and item[-2].word == "AS":
                result.names.add(item[-1].name)
                item = item[:-2]  # noqa: PLW2901 - without its alias
            elif item[-1].kind == "group":
                result.names.add(item[-2].name if len(item) > 1 else "")
            else:
                result.names.add(item[-1].name)
            self.expression(item, scopes, named)
        return result

    def read_from(
        self, given: Sequence[Token], scope: Scope, outer: Scopes, named: Sources
    ) -> None:
        """Read what a query reads from, and put it into its scope."""
        conditions: list[Sequence[Token]] = []
        place = 0
        while place < len(given):
            token = given[place]
            if token.text == "," or token.word in _JOINS:
                place += 1
            elif token.word == "ON":
                end = place + 1
                while end < len(given) and given[end].text != "," and given[end].word not in _JOINS:
                    end += 1
                conditions.append(given[place + 1 : end])
                place = end
            elif token.word == "USING":
                for column in given[place + 1].inside:
                    for source in scope.values():
                        self.refer(source.tables_with(column.name, quoted=True) or set(), column)
                place += 2
            else:
                place = self._source(given, place, scope, (outer, named))
        for condition in conditions:
            self.expression(condition, (scope, *outer), named)

    def _source(
        self,
        given: Sequence[Token],
        place: int,
        scope: Scope,
        context: tuple[Scopes, Sources],
    ) -> int:
        """Read one thing that a query reads from; return where the rest begins."""
        outer, named = context
        scopes = (scope, *outer)
        token = given[place]
        alias = ""
        called = follows(given, place + 1, "group")
        if is_table(given, place) and not follows(given, place + 3, "group"):
            alias = given[place + 2].name
            self.uses.add(("r", alias))
            source = Source(alias)
            place += 3
        elif token.kind == "group" and not token.is_query and not token.inside[0].is_query:
            self.read_from(token.inside, scope, outer, named)  # a join in parentheses
            return place + 1
        elif token.kind == "group":
            source = self.query(token.inside, scopes, named)
            place += 1
        elif called or follows(given, place + 1, "sign", "."):
            place += 0 if called else 2
            alias = given[place].name
            self.expression(given[place + 1 : place + 2], scopes, named)
            source = Source(names={alias}, opaque=True)
            place += 2 if follows(given, place + 1, "group") else 1
        else:
            alias = token.name
            source = named.get(alias) or Source(opaque=True)
            place += 1
        if place < len(given) and given[place].word == "WITH":
            place += 2  # ORDINALITY
        if place < len(given) and given[place].word == "AS":
            place += 1
        if place < len(given) and given[place].name and given[place].word not in NO_ALIAS:
            alias = given[place].name
            place += 1
            if follows(given, place, "group"):
                columns = {item[0].name for item in split(given[place].inside, (",",)) if item}
                source = Source(names=columns)
                place += 1
        scope[alias or f" {place}"] = source
        return place


def clauses_of(
    given: Sequence[Token], words: Sequence[str], *, inner: str = ""
) -> list[Sequence[Token]]:
    """Return what stands before the first clause, and each clause with its word.

    Args:
        given: The tokens.
        words: Those that begin a clause.
        inner: What must follow the word ON.
    """
    found: list[Sequence[Token]] = []
    begin = 0
    for place, token in enumerate(given):
        before = given[place - 1].word if place else ""
        if (
            token.word in words
            and not (token.word == "FROM" and before == "DISTINCT")
            and not (token.word == "GROUP" and before == "WITHIN")
            and not (inner and token.word == "ON" and given[place + 1].word != inner)
        ):
            found.append(given[begin:place])
            begin = place
    return [*found, given[begin:]]
