"""Which table a column belongs to, by the names that a query's FROM brings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autogpt_db.database.releases import known_columns

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(slots=True)
class Source:
    """Where columns come from: a table, or a query.

    Attributes:
        table: The table's name; "" for anything else.
        names: Columns that a query names itself.
        stars: Sources whose every column a query has.
        opaque: Whether it may have any column: a function, or what is not known yet.
    """

    table: str = ""
    names: set[str] = field(default_factory=set)
    stars: list[Source] = field(default_factory=list)
    opaque: bool = False

    def tables_with(self, column: str, *, quoted: bool) -> set[str] | None:
        """Return the tables that a column may be of; None where it isn't a column of this.

        Args:
            column: Its name.
            quoted: Whether it stood in quotes, or after an alias, so that it can be no keyword.
        """
        if self.table:
            known = known_columns().get(self.table)
            return {self.table} if (quoted if known is None else column in known) else None
        if column in self.names:
            return set()
        for star in self.stars:
            found = star.tables_with(column, quoted=quoted)
            if found is not None:
                return found
        return set() if self.opaque else None

    def every_table(self) -> set[str]:
        """Return the tables whose columns this has, by a star or as one."""
        found = {self.table} if self.table else set()
        return found.union(*(star.every_table() for star in self.stars))


Scope = dict[str, Source]
"""What a query reads from, by alias."""
Scopes = tuple[Scope, ...]
"""Those of a query and of the queries around it, from the innermost outwards."""
Sources = dict[str, Source]
"""What WITH has named."""


def resolve(column: str, scopes: Sequence[Scope], *, quoted: bool) -> set[str]:
    """Return the tables that a column without an alias may be of.

    Args:
        column: Its name.
        scopes: From the innermost query outwards.
        quoted: Whether it stood in quotes, so that it can be no keyword.
    """
    for scope in scopes:
        if column in scope and not quoted:
            return set()  # a whole row
        found = [source.tables_with(column, quoted=quoted) for source in scope.values()]
        some = [tables for tables in found if tables is not None]
        if some:
            return set().union(*some)
    if quoted and scopes:
        # No release has it: it is of whatever table there is, if there is only one.
        tables = set().union(*(source.every_table() for source in scopes[0].values()))
        if len(tables) == 1:
            return tables
    return set()
