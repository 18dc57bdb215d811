"""Every statement that changes a status or a balance records it: read off the statements."""

from __future__ import annotations

import importlib
import pkgutil
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import autogpt_db.operations
import autogpt_db.worker.jobs
from autogpt_db.database.capabilities import Capabilities, ForSchema
from autogpt_db.database.pool.merged import Merged
from autogpt_db.database.releases import RELEASES, catalogue_of
from autogpt_db.signatures.tables import texts_of
from autogpt_db.statements.sql import read
from autogpt_db.statements.whole import is_whole
from autogpt_db.worker.registry import discover
from service import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

RECORDED = {
    ("AgentGraphExecution", "executionStatus"): (
        r"\(user_id, graph_id, graph_execution_id, status\)|NULL, NULL, run\.\"executionStatus\""
    ),
    ("AgentNodeExecution", "executionStatus"): r"node_id, node_execution_id, status\)",
    ("UserBalance", "balance"): r"\(user_id, balance\)",
    ("OrgBalance", "balance"): r"\(organization_id, balance\)",
}
"""What is told of, and the columns that say so."""
UNTOLD = {
    "autogpt_db.operations.users.default_team": "a new personal organization's 0 is nobody's money"
}
"""Modules whose statements need not record, and why."""


def all_modules() -> Iterator[ModuleType]:
    for package in (autogpt_db.operations, autogpt_db.worker.jobs):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            yield importlib.import_module(found.name)


def texts_in(thing: Any, capabilities: Capabilities) -> Iterator[str]:
    match thing:
        case str():
            yield thing
        case Merged():
            keyed = thing.keyed
            yield from (thing.single, thing.batch, *([keyed.batch] if keyed else ()))
        case ForSchema():
            yield from texts_in(thing(capabilities), capabilities)
        case dict():
            for value in thing.values():
                yield from texts_in(value, capabilities)
        case tuple() | list():
            for value in thing:
                yield from texts_in(value, capabilities)


def statements(capabilities: Capabilities) -> dict[str, str]:
    """Return every whole statement, with the module that holds it or the method that sends it."""
    found: dict[str, str] = {}
    functions = {name: one.function for name, one in OPERATIONS.items()}
    functions |= {name: one.function for name, one in discover().items()}
    for function in functions.values():
        for text in texts_of(function, capabilities):
            found.setdefault(text, function.__module__)
    for module in all_modules():
        for value in vars(module).values():
            for text in texts_in(value, capabilities):
                found[text] = module.__name__
    whole = {text: place for text, place in found.items() if is_whole(text)}
    # A part that looks like a statement is told of by the one that it stands in.
    return {
        text: place
        for text, place in whole.items()
        if not any(text.strip() in other for other in whole if other != text)
    }


def changes_of(text: str) -> set[tuple[str, str]]:
    return {
        (table, column)
        for verb, table, column in read(text).columns
        if verb in {"a", "w"} and (table, column) in RECORDED
    }


@pytest.mark.parametrize("state", [RELEASES[0].state, RELEASES[-1].state])
def test_every_change_that_a_statement_makes_is_recorded(state: str) -> None:
    recording = replace(Capabilities.of(catalogue_of(state)), live_events=True)
    seen = set()
    for text, place in statements(recording).items():
        for change in changes_of(text):
            seen.add(change)
            assert place in UNTOLD or re.search(RECORDED[change], text), (place, change, text)
    assert seen >= RECORDED.keys() - ({("OrgBalance", "balance")} if not recording.orgs else set())


@pytest.mark.parametrize("state", [RELEASES[0].state, RELEASES[-1].state])
def test_where_nothing_is_recorded_no_statement_knows_of_it(state: str) -> None:
    found = statements(Capabilities.of(catalogue_of(state)))
    telling = [place for text, place in found.items() if "live_event" in text]
    assert set(telling) <= {"autogpt_db.live_events.trimming"}
    assert any(changes_of(text) for text in found), "the statements that would record are there"


def test_a_statement_that_forgets_is_found() -> None:
    text = """UPDATE platform."UserBalance" SET "balance" = 0 WHERE "userId" = %(user_id)s"""
    assert changes_of(text) == {("UserBalance", "balance")}
