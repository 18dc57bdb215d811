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
from autogpt_db.statements.queries import Queries
from autogpt_db.statements.scopes import Scope, Source
from autogpt_db.statements.tokens import flat, is_table, is_type, tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# With its schema, as every name of ours is written.
_OURS = re.compile(r"\bautogpt_db\.(\w+)")


@cache
def read(text: str) -> Needs:
    """Return what a whole statement needs."""
    reader = Queries()
    reader.query(tokens(text), (), {})
    return reader.needs() | _of_ours(text)


def read_parts(texts: Sequence[str], tables: Iterable[str]) -> Needs:
    """Return what parts of statements need, all together.

    Args:
        texts: The parts.
        tables: Tables that the statements' other parts name.
    """
    reader = Queries()
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
