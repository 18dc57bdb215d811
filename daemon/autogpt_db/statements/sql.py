"""What a statement needs of AutoGPT's schema, read off its text as PostgreSQL would read it.

Our statements name AutoGPT's tables with their schema and its columns in quotes, so that a reader
of scopes suffices: which names a query's FROM brings, and which of them a column belongs to. What
isn't a whole statement (a condition that is put into one) is read with the tables that its method
names. A test holds all of it against PostgreSQL.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from autogpt_db.database.needs import Needs
from autogpt_db.database.releases import known_columns, known_labels
from autogpt_db.statements.scopes import Scope, Source, resolve
from autogpt_db.statements.tokens import (
    QUERIES,
    Token,
    flat,
    is_table,
    is_type,
    split,
    tokens,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# With its schema, as every name of ours is written.
_OURS = re.compile(r"\bautogpt_db\.(\w+)")
_UNIONS = ("UNION", "INTERSECT", "EXCEPT")
_AFTER_LIST = (
    "FROM", "WHERE", "GROUP", "HAVING", "WINDOW", "ORDER", "LIMIT", "OFFSET", "FETCH", "FOR",
)  # fmt: skip
_JOINS = frozenset({
    "JOIN", "LEFT", "RIGHT", "FULL", "INNER", "OUTER", "CROSS", "NATURAL", "LATERAL", "ONLY",
})  # fmt: skip
_NO_ALIAS = _JOINS.union(_AFTER_LIST, _UNIONS, QUERIES, {"ON", "USING", "SET", "DEFAULT"})

_Sources = dict[str, Source]
_Scopes = tuple[Scope, ...]


@cache
def read(text: str) -> Needs:
    """Return what a whole statement needs."""
    reader = _Reader()
    reader.query(tokens(text), (), {})
    return reader.needs() | _of_ours(text)


def read_parts(texts: Sequence[str], tables: Iterable[str]) -> Needs:
    """Return what parts of statements need, all together.

    Args:
        texts: The parts.
        tables: Tables that the statements' other parts name.
    """
    reader = _Reader()
    parts = [tuple(flat(tokens(text))) for text in texts]
    scope: Scope = {table: Source(table) for table in tables}
    for part in parts:
        for place in range(len(part)):
            if is_table(part, place) and not is_type(part, place):
                table = part[place + 2].name
                reader.uses.add(("r", table))
                named = place + 4 < len(part) and part[place + 3].word == "AS"
                scope[part[place + 4].name if named else table] = Source(table)
    for part in parts:
        reader.expression(part, (scope,), {})
    return reader.needs() | _of_ours(" ".join(texts))


def _of_ours(text: str) -> Needs:
    return Needs(ours=frozenset(_OURS.findall(text)))


def is_whole(text: str) -> bool:
    """Tell whether a text is a whole statement, and not a part of one."""
    words = text.split()
    return (
        (len(words) > 2 or text.rstrip().endswith(")"))  # noqa: PLR2004 - more than a beginning
        and words[:1] != []
        and words[0] in QUERIES
        and text.count("(") == text.count(")")
        and words[-1] not in {"FROM", "WHERE", "AND", ","}
    )


class _Reader:
    """Reads one statement, and gathers what it needs."""

    def __init__(self) -> None:
        self.uses: set[tuple[str, str]] = set()
        self._columns: set[tuple[str, str, str]] = set()
        self._inserts: set[tuple[str, frozenset[str]]] = set()
        self._types: set[str] = set()
        self._unique: set[tuple[str, frozenset[str]]] = set()
        self._functions: set[str] = set()
        self._texts: set[str] = set()

    def needs(self) -> Needs:
        """Return what has been gathered."""
        kinds = {known_columns().get(table, {}).get(name, "") for _, table, name in self._columns}
        enums = {kind.removesuffix("[]").strip('"') for kind in kinds} | self._types
        labels = {
            (enum, label)
            for enum in enums
            for label in known_labels().get(enum, frozenset()) & self._texts
        }
        return Needs(
            uses=frozenset(use for use in self.uses if use[1]),
            columns=frozenset(column for column in self._columns if column[1]),
            inserts=frozenset(insert for insert in self._inserts if insert[0]),
            types=frozenset(self._types),
            labels=frozenset(labels),
            unique=frozenset(one for one in self._unique if one[0]),
            functions=frozenset(self._functions),
        )

    # Queries -----------------------------------------------------------------------------------

    def query(self, given: Sequence[Token], outer: _Scopes, named: _Sources) -> Source:
        """Read a query with whatever stands before it in WITH, and return what it yields."""
        named = dict(named)
        place = 0
        if given and given[0].word == "WITH":
            place = 1
            if given[place].word == "RECURSIVE":
                place += 1
            while True:
                name = given[place].name
                place += 1
                declared = given[place] if given[place].kind == "group" else None
                while given[place].kind != "group" or given[place] is declared:
                    place += 1
                named[name] = Source(opaque=True)  # while it is read, it may refer to itself
                named[name] = self.query(given[place].inside, outer, named)
                if declared is not None:
                    named[name] = Source(names={each.name for each in declared.inside})
                place += 1
                if place >= len(given) or given[place].text != ",":
                    break
                place += 1
        if given[place].word in {"INSERT", "UPDATE", "DELETE"}:
            return self._branch(given[place:], outer, named)
        result = Source()
        for branch in split(given[place:], _UNIONS):
            rest = branch[1:] if branch and branch[0].word in {"ALL", "DISTINCT"} else branch
            found = self._branch(rest, outer, named)
            # Columns have the names of the first branch; by a star, those of all.
            result.names |= found.names
            result.stars += found.stars
            result.opaque |= found.opaque
        return result

    def _branch(self, given: Sequence[Token], outer: _Scopes, named: _Sources) -> Source:
        match given[0].word if given else "":
            case "SELECT":
                return self._select(given, outer, named)
            case "INSERT":
                return self._insert(given, outer, named)
            case "UPDATE":
                return self._update(given, outer, named)
            case "DELETE":
                return self._delete(given, outer, named)
        if given and given[0].is_query:
            found = self.query(given[0].inside, outer, named)
            self.expression(given[1:], ({"": found}, *outer), named)
            return found
        self.expression(given, outer, named)
        return Source(opaque=True)  # VALUES

    def _select(self, given: Sequence[Token], outer: _Scopes, named: _Sources) -> Source:
        listed, *clauses = _clauses(given[1:], _AFTER_LIST)
        scope: Scope = {}
        scopes = (scope, *outer)
        for clause in clauses:
            if clause[0].word == "FROM":
                self._from(clause[1:], scope, outer, named)
        for clause in clauses:
            if clause[0].word == "FOR":
                self._locks(clause, scope)
            elif clause[0].word != "FROM":
                self.expression(clause[1:], scopes, named)
        return self._list(listed, scopes, named)

    def _locks(self, clause: Sequence[Token], scope: Scope) -> None:
        words = [token.word for token in clause]
        chosen = (
            {token.name for token in clause[words.index("OF") + 1 :]} if "OF" in words else None
        )
        for name, source in scope.items():
            if source.table and (chosen is None or name in chosen):
                self.uses.add(("w", source.table))

    def _insert(self, given: Sequence[Token], outer: _Scopes, named: _Sources) -> Source:
        table, alias, place = self._target(given, 2)
        self.uses.add(("a", table))
        columns: frozenset[str] = frozenset()
        if given[place].kind == "group" and not given[place].is_query:
            columns = frozenset(token.name for token in given[place].inside if token.name)
            place += 1
        self._columns |= {("a", table, column) for column in columns}
        self._inserts.add((table, columns))
        body, *clauses = _clauses(given[place:], ("ON", "RETURNING"), inner="CONFLICT")
        self.query(body, outer, named)
        source = Source(table)
        scope: Scope = {alias: source, "EXCLUDED": source, "excluded": source}
        result = Source()
        for clause in clauses:
            if clause[0].word == "RETURNING":
                self.uses.add(("r", table))
                result = self._list(clause[1:], ({alias: source}, *outer), named)
                continue
            if clause[2].kind == "group":
                keys = frozenset(token.name for token in clause[2].inside if token.name)
                self._unique.add((table, keys))
                # Which row it would collide with has to be read.
                self._columns |= {("r", table, key) for key in keys}
                self.uses.add(("r", table))
            words = [token.word for token in clause]
            if "SET" in words:
                self.uses |= {("w", table), ("r", table)}
                self._set(clause[words.index("SET") + 1 :], table, (scope, *outer), named)
        return result

    def _update(self, given: Sequence[Token], outer: _Scopes, named: _Sources) -> Source:
        table, alias, place = self._target(given, 1)
        self.uses |= {("w", table), ("r", table)}
        scope: Scope = {alias: Source(table)}
        scopes = (scope, *outer)
        assigned, *clauses = _clauses(given[place + 1 :], ("FROM", "WHERE", "RETURNING"))
        result = Source()
        for clause in clauses:
            if clause[0].word == "FROM":
                self._from(clause[1:], scope, outer, named)
        self._set(assigned, table, scopes, named)
        for clause in clauses:
            if clause[0].word == "WHERE":
                self.expression(clause[1:], scopes, named)
            elif clause[0].word == "RETURNING":
                result = self._list(clause[1:], scopes, named)
        return result

    def _delete(self, given: Sequence[Token], outer: _Scopes, named: _Sources) -> Source:
        table, alias, place = self._target(given, 2)
        self.uses |= {("d", table), ("r", table)}
        scope: Scope = {alias: Source(table)}
        scopes = (scope, *outer)
        _, *clauses = _clauses(given[place:], ("USING", "WHERE", "RETURNING"))
        result = Source()
        for clause in clauses:
            if clause[0].word == "USING":
                self._from(clause[1:], scope, outer, named)
        for clause in clauses:
            if clause[0].word == "WHERE":
                self.expression(clause[1:], scopes, named)
            elif clause[0].word == "RETURNING":
                result = self._list(clause[1:], scopes, named)
        return result

    @staticmethod
    def _target(given: Sequence[Token], place: int) -> tuple[str, str, int]:
        """Return the table that is written, its alias, and where the rest begins."""
        if given[place].word == "ONLY":
            place += 1
        if not is_table(given, place):  # one of ours, which needs nothing of AutoGPT's
            place += 2 if given[place + 1].text == "." else 0
            table = ""
        else:
            place += 2
            table = given[place].name
        alias = table
        place += 1
        if given[place].word == "AS":
            place += 1
        if given[place].name and given[place].word not in _NO_ALIAS:
            alias = given[place].name
            place += 1
        return table, alias, place

    # Their clauses -----------------------------------------------------------------------------

    def _set(self, given: Sequence[Token], table: str, scopes: _Scopes, named: _Sources) -> None:
        assignments, *clauses = _clauses(given, ("WHERE",))
        for assignment in split(assignments, (",",)):
            first = assignment[0]
            targets = first.inside if first.kind == "group" else (first,)
            self._columns |= {("w", table, token.name) for token in targets if token.name}
            self.expression(assignment[1:], scopes, named)
        for clause in clauses:
            self.expression(clause[1:], scopes, named)

    def _list(self, given: Sequence[Token], scopes: _Scopes, named: _Sources) -> Source:
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
                    list(scopes[0].values()) if len(item) == 1 else _all_named(item[0].name, scopes)
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

    def _from(self, given: Sequence[Token], scope: Scope, outer: _Scopes, named: _Sources) -> None:
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
                        self._refer(source.tables_with(column.name, quoted=True) or set(), column)
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
        context: tuple[_Scopes, _Sources],
    ) -> int:
        """Read one thing that a query reads from; return where the rest begins."""
        outer, named = context
        scopes = (scope, *outer)
        token = given[place]
        alias = ""
        called = _follows(given, place + 1, "group")
        if is_table(given, place) and not _follows(given, place + 3, "group"):
            alias = given[place + 2].name
            self.uses.add(("r", alias))
            source = Source(alias)
            place += 3
        elif token.kind == "group" and not token.is_query and not token.inside[0].is_query:
            self._from(token.inside, scope, outer, named)  # a join in parentheses
            return place + 1
        elif token.kind == "group":
            source = self.query(token.inside, scopes, named)
            place += 1
        elif called or _follows(given, place + 1, "sign", "."):
            place += 0 if called else 2
            alias = given[place].name
            self.expression(given[place + 1 : place + 2], scopes, named)
            source = Source(names={alias}, opaque=True)
            place += 2 if _follows(given, place + 1, "group") else 1
        else:
            alias = token.name
            source = named.get(alias) or Source(opaque=True)
            place += 1
        if place < len(given) and given[place].word == "WITH":
            place += 2  # ORDINALITY
        if place < len(given) and given[place].word == "AS":
            place += 1
        if place < len(given) and given[place].name and given[place].word not in _NO_ALIAS:
            alias = given[place].name
            place += 1
            if _follows(given, place, "group"):
                columns = {item[0].name for item in split(given[place].inside, (",",)) if item}
                source = Source(names=columns)
                place += 1
        scope[alias or f" {place}"] = source
        return place

    # Expressions -------------------------------------------------------------------------------

    def expression(self, given: Sequence[Token], scopes: _Scopes, named: _Sources) -> None:
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
            elif token.name and _follows(given, place + 1, "sign", "."):
                if not _follows(given, place + 3, "group"):  # else a function of a schema
                    column = given[place + 2]
                    for source in _all_named(token.name, scopes)[:1]:
                        self._refer(source.tables_with(column.name, quoted=True) or set(), column)
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
        if _follows(given, place + 3, "group") and not is_type(given, place):
            self._functions.add(name)
        elif is_type(given, place):
            self._types.add(name)

    def _plain(self, given: Sequence[Token], place: int, scopes: _Scopes) -> None:
        token = given[place]
        if (
            token.name
            and not _follows(given, place + 1, "group")
            and not _follows(given, place + 1, "sign", "=>")
            and not (place and given[place - 1].word == "AS")
        ):
            self._refer(resolve(token.name, scopes, quoted=token.kind == "name"), token)

    def _refer(self, tables: set[str], column: Token) -> None:
        self._columns |= {("r", table, column.name) for table in tables}


def _all_named(alias: str, scopes: _Scopes) -> list[Source]:
    return [scope[alias] for scope in scopes if alias in scope]


def _follows(given: Sequence[Token], place: int, kind: str, text: str = "") -> bool:
    return (
        place < len(given) and given[place].kind == kind and (not text or given[place].text == text)
    )


def _clauses(
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
