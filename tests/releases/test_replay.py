"""The calls that were recorded of real servers, replayed on their releases' databases."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from api_process import ApiProcess
from autogpt_db.operations import load_operations
from releases.building import ENCRYPTION_KEY, SEEDED
from releases.known import INSTEAD, OPEN
from releases.replay import Answer, compare, play, recorded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from releases.building import ReleaseDatabases

SERVED = set(load_operations())
NOT_SERVED = (404, {"detail": "Not Found"})


@pytest.fixture(scope="module", params=SEEDED)
def played(
    request: pytest.FixtureRequest, releases: ReleaseDatabases
) -> Iterator[tuple[str, list[Answer]]]:
    """Yield a state and the answers to all of its calls; no job of ours ran meanwhile."""
    state = request.param
    url = releases.fresh(state, seeded=True, ours=True)
    environment = {"ENCRYPTION_KEY": ENCRYPTION_KEY, "ENABLE_CREDIT": "true"}
    with ApiProcess(url, environment=environment, modules=()) as api:
        yield state, play(api.client, state)
    releases.drop(url)


def test_served_methods_answer_as_recorded_but_for_the_listed(
    played: tuple[str, list[Answer]],
) -> None:
    state, answers = played
    differences = [one for one in compare(state, answers) if one.method in SERVED]
    for number, method, wanted, found in differences:
        print(f"{number} {method}\n  recorded: {short(wanted)}\n  answered: {short(found)}")
    numbers = {one.number for one in differences}
    assert numbers - OPEN[state] == set(), "answered otherwise than recorded"
    assert OPEN[state] - numbers == set(), "answered as recorded now: take them off the list"


def test_other_methods_are_unknown(played: tuple[str, list[Answer]]) -> None:
    _, answers = played
    others = [answer for answer in answers if answer.method not in SERVED]
    assert [answer for answer in others if (answer.status, answer.body) != NOT_SERVED] == []


def test_no_call_is_answered_with_a_fault_of_ours(played: tuple[str, list[Answer]]) -> None:
    state, answers = played
    faults = {answer.number for answer in answers if answer.status >= 500}
    as_recorded = {example["n"] for example in recorded(state) if example["status"] >= 500}
    assert faults - as_recorded - OPEN[state] == set()


def test_every_listed_deviation_is_of_a_recorded_call() -> None:
    for state in SEEDED:
        numbers = {example["n"] for example in recorded(state)}
        assert set(INSTEAD[state]) | OPEN[state] <= numbers


def short(answer: tuple[int, object]) -> str:
    return f"{answer[0]} {json.dumps(answer[1])[:600]}"
