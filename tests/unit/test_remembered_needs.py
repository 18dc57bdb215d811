"""What is written down of statements' needs is found by their texts, and spares reading them."""

from __future__ import annotations

from dataclasses import fields

import pytest

from autogpt_db.database.capabilities import Capabilities
from autogpt_db.database.releases import RELEASES, catalogue_of
from autogpt_db.operations import load_operations
from autogpt_db.operations.needed import needed
from autogpt_db.signatures.tables import needs_of, read_off, statements_of
from autogpt_db.statements.remembered import key_of, remembered
from autogpt_db.statements.sql import read
from autogpt_db.worker.registry import discover

OPERATIONS = load_operations()
FUNCTIONS = {name: operation.function for name, operation in OPERATIONS.items()} | {
    f"the job {name}": job.function for name, job in discover().items()
}
UNHEARD = Capabilities(
    **{each.name: number % 2 == 0 for number, each in enumerate(fields(Capabilities))}
)


@pytest.mark.parametrize("state", sorted({release.state for release in RELEASES}))
def test_no_statement_is_read_for_a_database_of_a_known_release(state: str) -> None:
    before = read.cache_info()
    found = needed().of(Capabilities.of(catalogue_of(state)))
    assert read.cache_info() == before, "run: make reference"
    assert found.keys() == OPERATIONS.keys()


def test_what_no_release_has_is_read_as_ever() -> None:
    found = {name: statements_of(each, UNHEARD) for name, each in FUNCTIONS.items()}
    unknown = [name for name, texts in found.items() if remembered(key_of(texts)) is None]
    assert unknown, "or nothing is tried here"
    for name, texts in found.items():
        assert needs_of(FUNCTIONS[name], UNHEARD) == read_off(texts), name


def test_a_text_that_has_changed_is_another() -> None:
    for name, function in FUNCTIONS.items():
        texts = statements_of(function, Capabilities())
        if not texts:
            continue
        first = min(texts)
        for changed in ({*texts, "SELECT 1"}, {*texts, first + " "} - {first}):
            assert remembered(key_of(changed)) is None, name
        assert key_of(sorted(texts, reverse=True)) == key_of(sorted(texts))
    assert key_of({"a", "b"}) != key_of({"ab"}) != key_of({"a b"})
