"""What is written down of statements' needs is found by their texts, and spares reading them."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import autogpt_db
from autogpt_db.database.capabilities import Capabilities
from autogpt_db.database.catalogue import Catalogue
from autogpt_db.database.pool.merged import FEW_CALLS, Merged
from autogpt_db.database.releases import RELEASES, catalogue_of
from autogpt_db.database.schema import Needed
from autogpt_db.operations import load_operations
from autogpt_db.operations.needed import needed
from autogpt_db.signatures.tables import needs_of, read_off, statements_of, tables_of
from autogpt_db.statements.methods import needed_by_methods
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

PACKAGE = Path(autogpt_db.__file__).parent
STATES = sorted({release.state for release in RELEASES})
# What main does with the methods' needs before it starts anything.
OF_MAIN = """
import sys
from autogpt_db import main
from autogpt_db.database.releases import catalogue_of
from autogpt_db.statements.methods import needed_by_methods

needed = needed_by_methods(main._load_methods)
assert needed.ours()
assert needed.lacks(catalogue_of(sys.argv[1]), "platform").keys() < needed.essential
print(*(name for name in sys.modules if name.startswith("autogpt_db.")))
"""


MERGED = Merged(
    single='SELECT "id" FROM platform."User"',
    batch=f'SELECT 0, "id" FROM platform."Profile" AS call WHERE {FEW_CALLS}',
    keyed_batch='SELECT 0, "id" FROM platform."Expert" AS call',
    texts=(),
    reads=True,
)


def test_all_forms_of_a_merged_statement_are_read() -> None:
    def sends_it() -> Merged:
        return MERGED

    sends_it.__module__ = "autogpt_db.operations.odd"
    assert [table.name for table in tables_of(sends_it)] == ["Expert", "Profile", "User"]


def test_something_depends_on_every_capability() -> None:
    texts = [
        path.read_text("utf-8") for path in PACKAGE.rglob("*.py") if path.name != "capabilities.py"
    ]
    unused = [
        each.name
        for each in fields(Capabilities)
        if not any(re.search(rf'\.{each.name}\b|"{each.name}"', text) for text in texts)
    ]
    assert unused == [], "nothing depends on them: remove them"


@pytest.mark.parametrize("state", STATES)
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


@pytest.mark.parametrize(
    "catalogue", [Catalogue(), *map(catalogue_of, STATES)], ids=["nothing", *STATES]
)
def test_methods_need_the_same_whether_they_are_loaded_or_not(catalogue: Catalogue) -> None:
    capabilities = Capabilities.of(catalogue)
    found = needed_by_methods(lambda: pytest.fail("run: make reference"))
    loaded = needed()
    assert found.of(capabilities) == loaded.of(capabilities)
    assert (found.essential, found.spared) == (loaded.essential, loaded.spared)


def test_for_a_database_like_none_of_the_known_they_are_loaded() -> None:
    loads = []

    def load() -> Needed:
        loads.append(1)
        return needed()

    found = needed_by_methods(load)
    assert loads == []
    assert found.of(UNHEARD) == needed().of(UNHEARD)
    assert loads == [1]


def test_main_serves_no_method_and_loads_none() -> None:
    command = [sys.executable, "-c", OF_MAIN, STATES[-1]]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    rooms = {name.split(".")[1] for name in done.stdout.split()}
    assert {"main", "database", "supervision"} <= rooms
    assert rooms.isdisjoint({"operations", "signatures", "api", "worker", "rest", "gateways"})
