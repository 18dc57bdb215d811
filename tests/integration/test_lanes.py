"""Lanes: calls that read much leave connections to the short ones, and wait in bounds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from autogpt_db.database.pool import Pool
from autogpt_db.errors import DatabaseUnavailableError, PoolExhaustedError
from autogpt_db.operations import load_operations
from autogpt_db.settings import DatabaseSettings, Secret, Settings
from postgres_server import with_schema
from waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SLEEP = "SELECT pg_sleep(30)"


def run(url: str, scenario: Callable[[Pool], Awaitable[None]], **options: Any) -> None:
    database_settings = DatabaseSettings(url=Secret(with_schema(url)), pool_size=4, **options)
    settings = Settings(database=database_settings)

    async def main() -> None:
        async with asyncio.timeout(PATIENCE), Pool.open(settings) as pool:
            assert await pool.wait(PATIENCE)
            await scenario(pool)

    asyncio.run(main())


def heavy(pool: Pool, number: int) -> asyncio.Task[Any]:
    handle = pool.call(f"heavy-{number}", reads=True, heavy=True)
    return asyncio.create_task(handle.row(SLEEP))


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


async def end(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_short_calls_go_on_while_heavy_ones_have_all_they_may(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        tasks = [heavy(pool, number) for number in range(10)]
        await until(lambda: pool.figures().heavy_waiting == 8)
        assert pool.figures().heavy_in_use == pool.figures().in_use == 2
        for _ in range(50):
            assert await pool.call("short", reads=True).row("SELECT 1") == (1,)
        async with pool.call("short", reads=False).transaction() as inside:
            assert await inside.row("SELECT 2") == (2,)
        assert not any(task.done() for task in tasks)
        await end(*tasks)
        await until(lambda: pool.figures().in_use == 0)
        assert (pool.figures().heavy_in_use, pool.figures().heavy_waiting) == (0, 0)

    run(database_url, scenario)


def test_a_place_goes_to_the_next_whether_its_call_ends_fails_or_is_cancelled(
    database_url: str,
) -> None:
    async def scenario(pool: Pool) -> None:
        first, second, third = (heavy(pool, number) for number in range(3))
        await until(lambda: pool.figures().heavy_in_use == 2)
        await end(first, third)  # one that ran, one that waited
        failing = pool.call("failing", reads=True, heavy=True)
        with pytest.raises(Exception, match="division by zero"):
            await failing.row("SELECT 1/0")
        async with pool.call("t", reads=True, heavy=True).transaction() as inside:
            assert await inside.row("SELECT 1") == (1,)
        await end(second)
        assert pool.figures().heavy_in_use == 0

    run(database_url, scenario)


def test_the_queue_of_heavy_calls_is_bounded_in_number_and_time(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        tasks = [heavy(pool, number) for number in range(3)]
        await until(lambda: pool.figures().heavy_waiting == 1)
        with pytest.raises(PoolExhaustedError):
            await pool.call("refused", reads=True, heavy=True).row("SELECT 1")
        with pytest.raises(DatabaseUnavailableError, match="became free"):
            await tasks[2]
        assert pool.figures().heavy_waiting == 0
        assert await pool.call("short", reads=True).row("SELECT 1") == (1,)
        await end(*tasks)

    run(database_url, scenario, pool_max_waiting=1, pool_timeout=0.3)


def test_lists_and_reports_are_heavy_and_an_executors_calls_are_not() -> None:
    heavy = {name for name, operation in load_operations().items() if operation.heavy}
    assert heavy >= {"get_graph_executions", "get_node_executions", "get_block_error_stats"}
    assert not heavy & {
        "get_node",
        "get_node_execution",
        "update_node_execution_status",
        "upsert_execution_output",
        "get_credits",
        "spend_credits",
    }
