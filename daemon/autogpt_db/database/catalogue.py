"""What PostgreSQL's catalogue says of AutoGPT's schema, and of what we may do with it.

One statement reads it all (`catalogue_statement.READ`). Whatever an operation needs is looked up in
the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping  # noqa: TC003 - msgspec decodes by the annotations
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec


class UniqueIndex(NamedTuple):
    """A primary key or unique index.

    Attributes:
        table: Its table.
        columns: Its columns; None where it covers some rows only, or expressions.
    """

    table: str
    columns: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What a schema has, and what this role may do with it.

    Where nothing is said of rights (`usable`, `privileges` and `views` are None), all are there.

    Attributes:
        columns: For each table or view, each column's type and default expression ("" without).
        required: For each table, the columns that every new row must give a value.
        labels: Each enum's labels, in order.
        unique: Primary keys and unique indexes, by name.
        functions: Functions, by name, and whether this role may call them.
        usable: Whether this role may use the schema at all; None also where there is no schema.
        privileges: For each table or view, which of `r`ead, `a`dd, `w`rite and `d`elete are ours.
        column_privileges: The first three of these by column, where the table's own lack one.
        hidden: Tables whose rows row security may hide from this role.
        views: Materialized views, and whether this role may refresh them.
        vectors: The schema that pgvector is in; None where nothing here is made of it.
        role: The role.
        ours_usable: Whether this role may use our own schema at all; None also where there is none.
        our_functions: Functions in our own schema, by name, and whether this role may call them;
            None: nothing is said of what is ours.
        our_tables: Tables there, and whether this role may read and write them.
    """

    columns: Mapping[str, Mapping[str, tuple[str, str]]] = field(default_factory=dict)
    required: Mapping[str, frozenset[str]] = field(default_factory=dict)
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unique: Mapping[str, UniqueIndex] = field(default_factory=dict)
    functions: Mapping[str, bool] = field(default_factory=dict)
    usable: bool | None = None
    privileges: Mapping[str, str] | None = None
    column_privileges: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()
    views: Mapping[str, bool] | None = None
    vectors: str | None = None
    role: str = ""
    ours_usable: bool | None = None
    our_functions: Mapping[str, bool] | None = None
    our_tables: Mapping[str, bool] = field(default_factory=dict)

    @classmethod
    def decode(cls, document: bytes) -> Catalogue:
        """Make one of what `READ` returned."""
        return msgspec.json.decode(document, type=cls)

    def has(self, relation: str, column: str | None = None) -> bool:
        """Tell whether there is such a table or view, with such a column."""
        found = self.columns.get(relation)
        return found is not None and (column is None or column in found)

    def type_of(self, relation: str, column: str) -> str:
        """Return a column's type as PostgreSQL writes it, "" where there is none."""
        return self.columns.get(relation, {}).get(column, ("", ""))[0]

    def default_of(self, relation: str, column: str) -> str:
        """Return a column's default expression, "" where there is none."""
        return self.columns.get(relation, {}).get(column, ("", ""))[1]

    def may(self, verb: str, relation: str, columns: Iterable[str] = ()) -> bool:
        """Tell whether this role may do something with a table or view.

        Args:
            verb: One of the letters of `privileges`.
            relation: The table or view.
            columns: Those that it is about; each may be ours where the whole table is not.
        """
        if self.privileges is None or verb in self.privileges.get(relation, ""):
            return True
        ours = self.column_privileges.get(relation, {})
        wanted = tuple(columns)
        return bool(wanted) and all(verb in ours.get(column, "") for column in wanted)
