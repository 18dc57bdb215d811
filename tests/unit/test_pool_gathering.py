"""When calls are started: with those that come right behind them, and never late."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as some

from autogpt_db.database.pool import gathering
from autogpt_db.database.pool.gathering import ENOUGH, RECENT, Crowd, Gathering
from waiting import PATIENCE

MANY = 40


class Calls:
    """Calls of one kind that come in, and what is started of them."""

    def __init__(self, crowd: Crowd) -> None:
        self.crowd = crowd
        self.waiting: list[None] = []
        self.started: list[int] = []
        self.gathering = Gathering(self.crowd, self.waiting, self.start)

    def start(self, *, however_few: bool = False) -> None:  # noqa: ARG002 - as a Merger's
        self.started.append(len(self.waiting))
        self.waiting.clear()

    def come(self) -> None:
        self.crowd.enter()
        self.waiting.append(None)
        if self.gathering.enough:
            self.gathering.start_soon()
        else:
            self.gathering.start_in_calm()


def crowd_of(most: int) -> Crowd:
    crowd = Crowd()
    for _ in range(most):
        crowd.enter()
    for _ in range(most):
        crowd.leave()
    return crowd


@given(some.integers(1, 3 * ENOUGH))
def test_half_of_all_are_enough_and_never_more_than_come_by_themselves(most: int) -> None:
    assert crowd_of(most).enough == min(ENOUGH, (most + 1) // 2)


@given(some.integers(1, 3 * ENOUGH))
def test_those_that_have_left_are_forgotten(most: int) -> None:
    crowd = crowd_of(most)
    for _ in range(2 * RECENT):
        crowd.enter()
        crowd.leave()
    assert crowd.enough == 1


def test_who_is_alone_starts_at_the_end_of_the_turn() -> None:
    calls = Calls(Crowd())

    async def main() -> None:
        calls.come()
        assert not calls.started
        await asyncio.sleep(0)
        assert calls.started == [1]

    asyncio.run(main())


def test_who_comes_in_the_turns_after_the_first_goes_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gathering, "COMPANY", PATIENCE)
    calls = Calls(crowd_of(MANY))

    async def main() -> None:
        for _ in range(ENOUGH - 2):
            calls.come()
            await asyncio.sleep(0)
            assert not calls.started
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert calls.started == [ENOUGH - 2], "there was a turn in which nobody came"

    asyncio.run(main())


def test_there_need_be_no_calm_when_enough_have_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "COMPANY", PATIENCE)
    calls = Calls(crowd_of(MANY))

    async def main() -> None:
        for _ in range(ENOUGH):
            calls.come()
        calls.crowd.enter()
        await asyncio.sleep(0)
        assert calls.started == [ENOUGH]

    asyncio.run(main())


def test_nobody_waits_long_for_a_calm_that_never_comes() -> None:
    calls = Calls(crowd_of(MANY))

    async def main() -> None:
        calls.come()
        end = time.monotonic() + PATIENCE
        while not calls.started and time.monotonic() < end:
            calls.crowd.enter()  # of other kinds, in every turn
            await asyncio.sleep(0)
        assert calls.started == [1]

    asyncio.run(main())
