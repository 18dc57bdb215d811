"""The calls that were recorded of real servers, replayed on their releases' databases."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import pytest

from api_process import ApiProcess
from autogpt_db.operations import load_operations
from autogpt_db.operations.experts.expert_spending import week_of
from redis_server import RedisServer
from releases import final_state
from releases.building import ENCRYPTION_KEY, SEEDED
from releases.final_state import State
from releases.known import FAULTS, INSTEAD, OPEN, OTHERWISE, UNTOUCHED
from releases.replay import SPENT, Answer, compare, play, recorded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from releases.building import ReleaseDatabases

SERVED = set(load_operations())
NOT_SERVED = (404, {"detail": "Not Found"})


class Played(NamedTuple):
    """All of a state's calls, made while no job of ours ran.

    Attributes:
        state: The state.
        answers: What they were answered.
        before: The rows that they started from.
        after: Those that they left.
    """

    state: str
    answers: list[Answer]
    before: State
    after: State


@pytest.fixture(scope="module", params=SEEDED)
def played(request: pytest.FixtureRequest, releases: ReleaseDatabases) -> Iterator[Played]:
    """Yield what all calls of a state came to."""
    state = request.param
    url = releases.fresh(state, seeded=True, ours=True)
    environment = {
        "ENCRYPTION_KEY": ENCRYPTION_KEY,
        "ENABLE_CREDIT": "true",
        "PLATFORM_LINK_BASE_URL": "http://localhost:3000/link",
    }
    before = final_state.read(url)
    with RedisServer() as redis:
        redis.values = counters()
        environment |= {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(redis.port)}
        with ApiProcess(url, environment=environment, modules=()) as api:
            answers = play(api.client, state)
    yield Played(state, answers, before, final_state.read(url))
    releases.drop(url)


def counters() -> dict[str, str]:
    """Return what the recorded server's Redis said, in this week and should it end meanwhile."""
    now = datetime.now(UTC)
    return {
        f"expert-spend:{expert}:{week_of(moment)}": str(spent)
        for expert, spent in SPENT.items()
        for moment in (now, now + timedelta(days=7))
    }


def test_served_methods_answer_as_recorded_but_for_the_listed(played: Played) -> None:
    state, answers = played.state, played.answers
    differences = [one for one in compare(state, answers) if one.method in SERVED]
    for number, method, wanted, found in differences:
        print(f"{number} {method}\n  recorded: {short(wanted)}\n  answered: {short(found)}")
    numbers = {one.number for one in differences}
    assert numbers - OPEN[state] == set(), "answered otherwise than recorded"
    assert OPEN[state] - numbers == set(), "answered as recorded now: take them off the list"


@pytest.mark.parametrize("played", OTHERWISE, indirect=True)
def test_the_calls_leave_the_recorded_rows_but_for_the_listed(played: Played) -> None:
    mismatches = final_state.compare(
        final_state.recorded(played.state),
        played.after,
        played.before,
        untouched=UNTOUCHED[played.state],
        otherwise=OTHERWISE[played.state],
    )
    for mismatch in mismatches:
        print(mismatch)
    assert [mismatch.table for mismatch in mismatches] == []


def test_other_methods_are_unknown(played: Played) -> None:
    others = [answer for answer in played.answers if answer.method not in SERVED]
    assert [answer for answer in others if (answer.status, answer.body) != NOT_SERVED] == []


def test_no_call_is_answered_with_a_fault_of_ours(played: Played) -> None:
    state = played.state
    faults = {answer.number for answer in played.answers if answer.status >= 500}
    as_recorded = {example["n"] for example in recorded(state) if example["status"] >= 500}
    assert faults - as_recorded - OPEN[state] == FAULTS[state]


def test_every_listed_deviation_is_of_a_recorded_call() -> None:
    for state in SEEDED:
        numbers = {example["n"] for example in recorded(state)}
        assert set(INSTEAD[state]) | OPEN[state] <= numbers


def short(answer: tuple[int, object]) -> str:
    return f"{answer[0]} {json.dumps(answer[1])[:600]}"
