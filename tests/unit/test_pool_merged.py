"""Statements that may be merged, and the form in which they keep replies under keys."""

from __future__ import annotations

from autogpt_db.database.capabilities import Capabilities, ForSchema
from autogpt_db.database.pool.batches import LARGEST_BATCH
from autogpt_db.database.pool.merged import (
    BOUNDED_CALLS,
    FEW_CALLS,
    FINGERPRINT,
    KEEPING,
    PARSED_CALLS,
    Keeping,
    Merged,
)
from autogpt_db.operations import Operation, load_operations


def merged_statements(operation: Operation) -> list[Merged]:
    """Return those that a method's function refers to."""
    code, scope = operation.function.__code__, operation.function.__globals__
    things = [scope.get(name) for name in code.co_names]
    made = [each(Capabilities()) if isinstance(each, ForSchema) else each for each in things]
    return [each for each in made if isinstance(each, Merged)]


def test_what_is_done_at_once_has_a_statement_that_keeps_replies_and_nothing_else_has() -> None:
    operations = load_operations()
    keeping = {
        name
        for name, operation in operations.items()
        if any(merged.keyed is not None for merged in merged_statements(operation))
    }
    at_once = {name for name, operation in operations.items() if operation.at_once}
    assert at_once - keeping == set(), "give their merged statements an answer=, or drop at_once"
    assert keeping - at_once == set(), "say at_once=True, or drop the answer= of their statements"
    assert "upsert_execution_output" in keeping


def test_a_statement_that_keeps_replies_claims_its_calls_once_and_keeps_the_odd_keys() -> None:
    for operation in load_operations().values():
        for merged in merged_statements(operation):
            if merged.keyed is None:
                continue
            assert BOUNDED_CALLS not in merged.keyed.batch
            assert PARSED_CALLS not in merged.keyed.batch
            assert merged.keyed.batch.count("autogpt_db.claimed_calls_v2(") == 1
            assert merged.keyed.batch.count("INSERT INTO autogpt_db.idempotency_key") == 1
            assert merged.keyed is merged.keyed, "calls are merged by it"
            names = (*merged.texts, *merged.documents, *merged.key)
            call = {**dict.fromkeys(names), KEEPING: Keeping("m", 'a"\\b', b"f" * FINGERPRINT, 9)}
            parameters = merged.keyed.parameters_of([call, call])
            assert parameters["keys"] == r'{"a\"\\b","a\"\\b"}'
            assert parameters["fingerprints"] == b"f" * 2 * FINGERPRINT
            assert (parameters["method"], parameters["most_bytes"]) == ("m", 9)


def test_every_call_of_a_batch_is_among_the_few_that_are_expected() -> None:
    assert f"call.place BETWEEN 0 AND {LARGEST_BATCH - 1}" == FEW_CALLS
