"""What a statement needs of AutoGPT's schema, and what of it a database lacks."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, NamedTuple

from autogpt_db.database import troubles
from autogpt_db.database.quoting import quoted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from autogpt_db.database.catalogue import Catalogue
    from autogpt_db.database.troubles import Trouble

_VERBS = {"r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE"}


class Lack(NamedTuple):
    """Something that a database lacks.

    Attributes:
        what: What it is, in words.
        remedy: The statement that mends it; "" where only AutoGPT's own migrations do.
        forbidden: Where it is there and this role has no right to it: that, in a clause.
    """

    what: str
    remedy: str = ""
    forbidden: str = ""

    @property
    def right(self) -> bool:
        """Tell whether only a right is missing."""
        return bool(self.forbidden)


@dataclass(frozen=True, slots=True)
class Needs:
    """Everything that statements need.

    Attributes:
        uses: Tables and views, each with a verb: `r`ead, `a`dd, `w`rite, `d`elete.
        columns: Their columns, with the verb.
        inserts: A table, and the columns that its new rows are given.
        types: Enums that something is cast to.
        labels: Enums and labels; needed where the database has that enum.
        unique: A table, and the columns by which a conflict is found.
        functions: Functions of AutoGPT's.
        refreshed: Materialized views that are refreshed.
        ours: Tables and functions of our own schema.
    """

    uses: frozenset[tuple[str, str]] = frozenset()
    columns: frozenset[tuple[str, str, str]] = frozenset()
    inserts: frozenset[tuple[str, frozenset[str]]] = frozenset()
    types: frozenset[str] = frozenset()
    labels: frozenset[tuple[str, str]] = frozenset()
    unique: frozenset[tuple[str, frozenset[str]]] = frozenset()
    functions: frozenset[str] = frozenset()
    refreshed: frozenset[str] = frozenset()
    ours: frozenset[str] = frozenset()

    def __or__(self, other: Needs) -> Needs:
        """Return what both need."""
        return Needs(
            **{
                each.name: getattr(self, each.name) | getattr(other, each.name)
                for each in fields(self)
            }
        )

    @property
    def tables(self) -> frozenset[str]:
        """Return the tables and views."""
        return frozenset(table for _, table in self.uses)

    def without(self, tables: Collection[str]) -> Needs:
        """Return the same, but for some tables that can be done without."""
        if not tables:
            return self
        return Needs(
            uses=frozenset(use for use in self.uses if use[1] not in tables),
            columns=frozenset(column for column in self.columns if column[1] not in tables),
            inserts=frozenset(insert for insert in self.inserts if insert[0] not in tables),
            types=self.types,
            labels=self.labels,
            unique=frozenset(one for one in self.unique if one[0] not in tables),
            functions=self.functions,
            refreshed=self.refreshed - set(tables),
            ours=self.ours,
        )

    def lacks(self, catalogue: Catalogue, schema: str = "platform") -> tuple[Lack, ...]:
        """Return what a database lacks, each thing once, in order of its words.

        Args:
            catalogue: What the database has.
            schema: The schema's name, for the remedies.
        """
        found = {lack.what: lack for lack in self._missing(catalogue)}
        if not found:
            found = {lack.what: lack for lack in self._forbidden(catalogue, schema)}
        return tuple(found[what] for what in sorted(found))

    def _missing(self, catalogue: Catalogue) -> Iterator[Lack]:
        yield from self._missing_columns(catalogue)
        for enum in self.types:
            if enum not in catalogue.labels:
                yield Lack(f'type "{enum}"')
        for enum, label in self.labels:
            if enum in catalogue.labels and label not in catalogue.labels[enum]:
                yield Lack(f'label {label} of type "{enum}"')
        for name in self.functions - catalogue.functions.keys():
            yield Lack(f"function {name}()")
        if catalogue.our_functions is not None:
            for name in self.ours - catalogue.our_functions.keys() - catalogue.our_tables.keys():
                yield Lack(f"autogpt_db.{name}", "`autogpt-db migrate` makes it anew.")
        if catalogue.views is not None:
            for view in self.refreshed - catalogue.views.keys():
                yield Lack(f'materialized view "{view}"')

    def _missing_columns(self, catalogue: Catalogue) -> Iterator[Lack]:
        for table in self.tables:
            if not catalogue.has(table):
                yield Lack(f'table "{table}"')
        for _, table, column in self.columns:
            if catalogue.has(table) and not catalogue.has(table, column):
                yield Lack(f'column "{table}"."{column}"')
        indexes = {(index.table, index.columns) for index in catalogue.unique.values()}
        for table, columns in self.unique:
            if catalogue.has(table) and (table, columns) not in indexes:
                names = ", ".join(f'"{name}"' for name in sorted(columns))
                yield Lack(f'unique index on "{table}" ({names})')
        for table, columns in self.inserts:
            for column in catalogue.required.get(table, frozenset()) - columns:
                yield Lack(f'a default for "{table}"."{column}"')

    def _forbidden(self, catalogue: Catalogue, schema: str) -> Iterator[Lack]:
        names = {"schema": quoted(schema), "role": quoted(catalogue.role)}
        if catalogue.usable is False:
            yield _lack(f"USAGE on schema {quoted(schema)}", troubles.NO_USAGE, **names)
        for verb, table in self.uses:
            columns = [name for each, of, name in self.columns if (each, of) == (verb, table)]
            if not catalogue.may(verb, table, columns):
                given = names | {"right": _VERBS[verb], "name": quoted(table)}
                yield _lack(f"{_VERBS[verb]} on {quoted(table)}", troubles.NO_RIGHT, **given)
        for table in self.tables & catalogue.hidden:
            what = f"row security hides rows of {quoted(table)}"
            yield _lack(what, troubles.ROW_SECURITY, name=quoted(table), **names)
        for name in self.functions:
            if not catalogue.functions.get(name, True):
                yield _lack(f"EXECUTE on {name}()", troubles.NO_EXECUTE, name=name, **names)
        if catalogue.our_functions is not None:
            yield from self._closed(catalogue, catalogue.our_functions)
        for view in self.refreshed:
            if catalogue.views is not None and not catalogue.views.get(view, True):
                what = f"MAINTAIN on {quoted(view)}"
                yield _lack(what, troubles.NO_MAINTAIN, name=quoted(view), **names)

    def _closed(self, catalogue: Catalogue, functions: Mapping[str, bool]) -> Iterator[Lack]:
        """Yield what of ours is there, and closed to this role."""
        found = []
        if self.ours and catalogue.ours_usable is False:
            found.append(("USAGE", "SCHEMA autogpt_db"))
        for name in self.ours:
            if not catalogue.our_tables.get(name, True):
                found.append(("SELECT, INSERT, UPDATE, DELETE", f"TABLE autogpt_db.{name}"))
            elif not functions.get(name, True):
                found.append(("EXECUTE", f"FUNCTION autogpt_db.{name}"))
        for right, name in found:
            names = {"role": quoted(catalogue.role), "right": right, "name": name}
            yield _lack(f"{right} on {name}", troubles.OURS_CLOSED, **names)


def _lack(what: str, trouble: Trouble, **names: str) -> Lack:
    return Lack(what, trouble.remedied(**names), trouble.caused(**names))
