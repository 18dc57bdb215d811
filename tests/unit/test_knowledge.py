"""Which failures make a process look at the schema again, however they were wrapped."""

from __future__ import annotations

import psycopg
import pytest

from autogpt_db.database.failures import translate
from autogpt_db.database.pool.knowledge import is_about_schema, smells_of_migration
from autogpt_db.errors import RawQueryError
from autogpt_db.operations.credits.ledger import raw_query


def wrapped(error: psycopg.Error) -> Exception:
    """Return a statement's failure as an operation of the ledger raises it."""
    failure = translate(error, reads=False)
    assert failure is not None
    with pytest.raises(RawQueryError) as raised, raw_query():
        raise failure from error
    return raised.value


@pytest.mark.parametrize(
    "error", [psycopg.errors.UndefinedObject("gone"), psycopg.errors.UndefinedTable("gone")]
)
def test_a_failure_of_the_schema_is_seen_through_its_wrappers(error: psycopg.Error) -> None:
    failure = wrapped(error)
    assert not isinstance(failure.__cause__, psycopg.Error), "wrapped twice"
    assert smells_of_migration(failure)
    assert is_about_schema(failure)


def test_a_failure_of_values_is_not_taken_for_one() -> None:
    failure = wrapped(psycopg.errors.NumericValueOutOfRange("too much"))
    assert not smells_of_migration(failure)
    assert not is_about_schema(failure)
