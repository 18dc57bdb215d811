"""Reading queries and the other statements, with whatever stands before them in WITH."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.statements.clauses import AFTER_LIST, NO_ALIAS, UNIONS, Clauses, clauses_of
from autogpt_db.statements.scopes import Scope, Scopes, Source, Sources
from autogpt_db.statements.tokens import Token, is_table, split

if TYPE_CHECKING:
    from collections.abc import Sequence


class Queries(Clauses):
    """Reads one statement, and gathers what it needs."""

    def query(self, given: Sequence[Token], outer: Scopes, named: Sources) -> Source:
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
        for branch in split(given[place:], UNIONS):
            rest = branch[1:] if branch and branch[0].word in {"ALL", "DISTINCT"} else branch
            found = self._branch(rest, outer, named)
            # Columns have the names of the first branch; by a star, those of all.
            result.names |= found.names
            result.stars += found.stars
            result.opaque |= found.opaque
        return result

    def _branch(self, given: Sequence[Token], outer: Scopes, named: Sources) -> Source:
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

    def _select(self, given: Sequence[Token], outer: Scopes, named: Sources) -> Source:
        listed, *clauses = clauses_of(given[1:], AFTER_LIST)
        scope: Scope = {}
        scopes = (scope, *outer)
        for clause in clauses:
            if clause[0].word == "FROM":
                self.read_from(clause[1:], scope, outer, named)
        for clause in clauses:
            if clause[0].word == "FOR":
                self._locks(clause, scope)
            elif clause[0].word != "FROM":
                self.expression(clause[1:], scopes, named)
        return self.yielded(listed, scopes, named)

    def _locks(self, clause: Sequence[Token], scope: Scope) -> None:
        words = [token.word for token in clause]
        chosen = (
            {token.name for token in clause[words.index("OF") + 1 :]} if "OF" in words else None
        )
        for name, source in scope.items():
            if source.table and (chosen is None or name in chosen):
                self.uses.add(("w", source.table))

    def _insert(self, given: Sequence[Token], outer: Scopes, named: Sources) -> Source:
        table, alias, place = self._target(given, 2)
        self.uses.add(("a", table))
        columns: frozenset[str] = frozenset()
        if given[place].kind == "group" and not given[place].is_query:
            columns = frozenset(token.name for token in given[place].inside if token.name)
            place += 1
        self.columns |= {("a", table, column) for column in columns}
        self.inserts.add((table, columns))
        body, *clauses = clauses_of(given[place:], ("ON", "RETURNING"), inner="CONFLICT")
        self.query(body, outer, named)
        source = Source(table)
        scope: Scope = {alias: source, "EXCLUDED": source, "excluded": source}
        result = Source()
        for clause in clauses:
            if clause[0].word == "RETURNING":
                self.uses.add(("r", table))
                result = self.yielded(clause[1:], ({alias: source}, *outer), named)
                continue
            if clause[2].kind == "group":
                keys = frozenset(token.name for token in clause[2].inside if token.name)
                self.unique.add((table, keys))
                # Which row it would collide with has to be read.
                self.columns |= {("r", table, key) for key in keys}
                self.uses.add(("r", table))
            words = [token.word for token in clause]
            if "SET" in words:
                self.uses |= {("w", table), ("r", table)}
                self.set_clause(clause[words.index("SET") + 1 :], table, (scope, *outer), named)
        return result

    def _update(self, given: Sequence[Token], outer: Scopes, named: Sources) -> Source:
        table, alias, place = self._target(given, 1)
        self.uses |= {("w", table), ("r", table)}
        scope: Scope = {alias: Source(table)}
        scopes = (scope, *outer)
        assigned, *clauses = clauses_of(given[place + 1 :], ("FROM", "WHERE", "RETURNING"))
        result = Source()
        for clause in clauses:
            if clause[0].word == "FROM":
                self.read_from(clause[1:], scope, outer, named)
        self.set_clause(assigned, table, scopes, named)
        for clause in clauses:
            if clause[0].word == "WHERE":
                self.expression(clause[1:], scopes, named)
            elif clause[0].word == "RETURNING":
                result = self.yielded(clause[1:], scopes, named)
        return result

    def _delete(self, given: Sequence[Token], outer: Scopes, named: Sources) -> Source:
        table, alias, place = self._target(given, 2)
        self.uses |= {("d", table), ("r", table)}
        scope: Scope = {alias: Source(table)}
        scopes = (scope, *outer)
        _, *clauses = clauses_of(given[place:], ("USING", "WHERE", "RETURNING"))
        result = Source()
        for clause in clauses:
            if clause[0].word == "USING":
                self.read_from(clause[1:], scope, outer, named)
        for clause in clauses:
            if clause[0].word == "WHERE":
                self.expression(clause[1:], scopes, named)
            elif clause[0].word == "RETURNING":
                result = self.yielded(clause[1:], scopes, named)
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
        if given[place].name and given[place].word not in NO_ALIAS:
            alias = given[place].name
            place += 1
        return table, alias, place
