"""Helper processes: what is computed in one is bounded, and its end is told as what it is."""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from autogpt_db.errors import BodyTooCostlyError, ServiceUnavailableError
from autogpt_db.helpers import AT_ONCE, Helpers
from autogpt_db.helpers.pool import QUICK
from autogpt_db.helpers.process import NICENESS
from helper_functions import (
    MEMORY,
    add,
    count_for_ever,
    fill_memory,
    kill_itself,
    priority,
    sum_up,
)

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))


@pytest.mark.parametrize("function", [count_for_ever, fill_memory])
def test_what_costs_too_much_is_refused_and_the_next_one_is_served(
    function: Callable[[], None],
) -> None:
    async def scenario() -> None:
        async with aclosing(Helpers(MEMORY, processor_time=0.5)) as helpers:
            with pytest.raises(BodyTooCostlyError, match="more time or memory"):
                await helpers.run(function)
            assert await helpers.run(add, 1, 2) == 3

    asyncio.run(scenario())


def test_processor_time_is_counted_by_the_request() -> None:
    async def scenario() -> None:
        async with aclosing(Helpers(MEMORY, processor_time=0.5)) as helpers:
            for number in range(20):
                assert await helpers.run(sum_up, 500_000) == sum(range(500_000)), number
            assert helpers.running == 1

    asyncio.run(scenario())


def test_a_helper_that_is_ended_from_outside_is_told_of() -> None:
    async def scenario() -> None:
        async with aclosing(Helpers(MEMORY)) as helpers:
            with capture_logs() as records, pytest.raises(ServiceUnavailableError):
                await helpers.run(kill_itself)
            assert [record["exit_code"] for record in records] == [-9]
            assert await helpers.run(add, 1, 2) == 3

    asyncio.run(scenario())


def test_what_is_large_runs_when_nobody_else_wants_to() -> None:
    async def scenario() -> None:
        async with aclosing(Helpers(MEMORY)) as helpers:
            for _ in range(2):
                quick = await helpers.run(priority, size=QUICK)
                assert quick == (os.SCHED_OTHER, min(os.nice(0) + NICENESS, 19))
                policy, _ = await helpers.run(priority, size=QUICK + 1)
                assert policy == os.SCHED_IDLE
            assert helpers.running == 2

    asyncio.run(scenario())


def test_what_is_soon_done_does_not_wait_behind_what_is_not() -> None:
    async def scenario() -> None:
        async with aclosing(Helpers(MEMORY)) as helpers:
            large = [
                asyncio.ensure_future(helpers.run(count_for_ever, size=QUICK + 1))
                for _ in range(AT_ONCE + 1)
            ]
            assert await helpers.run(add, 1, 2) == 3
            assert helpers.running == AT_ONCE + 1
            assert not any(task.done() for task in large)
            for task in large:
                task.cancel()
            await asyncio.wait(large)

    asyncio.run(scenario())
