"""Whole statements that methods send, as PostgreSQL can prepare them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import psycopg

from autogpt_db.signatures.tables import texts_of
from autogpt_db.statements.whole import is_whole

if TYPE_CHECKING:
    from collections.abc import Iterable

    from autogpt_db.database.capabilities import Capabilities
    from autogpt_db.operations import Operation

_PARAMETER = re.compile(r"%\((\w+)\)s")


def statements_of(
    operations: Iterable[Operation], capabilities: Capabilities
) -> dict[str, set[str]]:
    """Return every whole statement about AutoGPT's tables, and the methods that send it."""
    found: dict[str, set[str]] = {}
    for operation in operations:
        for text in texts_of(operation.function, capabilities):
            if is_whole(text) and "platform." in text:
                found.setdefault(text, set()).add(operation.name)
    return found


def refusal(connection: psycopg.Connection[Any], statement: str) -> str | None:
    """Return why PostgreSQL doesn't prepare a statement; None where it does."""
    names: dict[str, int] = {}
    numbered = _PARAMETER.sub(
        lambda match: f"${names.setdefault(match[1], len(names) + 1)}", statement
    )
    try:
        with connection.transaction():
            connection.execute(f"PREPARE tried AS {numbered.replace('%%', '%')}".encode())
            connection.execute("DEALLOCATE tried")
    except psycopg.Error as error:
        return str(error).partition("\n")[0]
    return None
