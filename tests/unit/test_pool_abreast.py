"""How many batches may be under way, by how long they take."""

from __future__ import annotations

import asyncio
import time

import pytest

from autogpt_db.database.pool import abreast
from autogpt_db.database.pool.abreast import FEW, Abreast
from autogpt_db.database.pool.batches import MergedCall

MOST, MOST_QUICK = 3, 2
ENOUGH = 40
"""Batches of one sort after which it is known that they are of it."""


@pytest.fixture
def loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


@pytest.fixture
def batches(loop: asyncio.AbstractEventLoop) -> list[MergedCall]:
    try:
        return [MergedCall({}, (), loop.create_future(), 0, 0) for _ in range(ENOUGH)]
    finally:
        loop.close()


def take(found: Abreast, batches: list[MergedCall], seconds: float) -> None:
    """Let each begin and end, so long after."""
    for batch in batches:
        found.begin(batch, time.monotonic() - seconds)
        found.end(batch)


def room(found: Abreast) -> bool:
    return found.room


def quick(found: Abreast) -> bool:
    return found.quick


def begin(found: Abreast, batches: list[MergedCall]) -> None:
    for batch in batches:
        found.begin(batch, time.monotonic())


def test_of_quick_ones_fewer_may_begin_however_few_calls_there_are(
    batches: list[MergedCall],
) -> None:
    found = Abreast(MOST, most_quick=MOST_QUICK)
    found.enter()
    assert quick(found)
    begin(found, batches[: MOST_QUICK - 1])
    assert room(found)
    begin(found, batches[MOST_QUICK - 1 : MOST_QUICK])
    assert not room(found)


def test_of_slow_ones_more_may_and_any_number_of_few_calls(batches: list[MergedCall]) -> None:
    found = Abreast(MOST, most_quick=MOST_QUICK)
    take(found, batches, 2 * abreast.QUICK)
    assert not quick(found)
    begin(found, batches[:MOST])
    assert room(found), "there are few calls"
    for _ in range(FEW + 1):
        found.enter()
    assert not room(found)
    found.leave()
    assert room(found)


def test_one_that_was_locked_out_says_little_and_quick_ones_are_known_again(
    batches: list[MergedCall], monkeypatch: pytest.MonkeyPatch
) -> None:
    # So long that no machine is too busy for it.
    monkeypatch.setattr(abreast, "QUICK", 60.0)
    monkeypatch.setattr(abreast, "_MOST", 120.0)
    found = Abreast(MOST, most_quick=MOST_QUICK)
    take(found, batches, 0.0)
    take(found, batches[:1], 1_000_000.0)
    assert quick(found)
    take(found, batches, 1_000_000.0)
    assert not quick(found)
    take(found, batches, 0.0)
    assert quick(found)
