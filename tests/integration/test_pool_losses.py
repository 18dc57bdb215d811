"""No connection is lost, however its borrower ends; one that is lost all the same is replaced."""

from __future__ import annotations

import asyncio
import math
import random
import signal
import subprocess
import sys
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from api_process import ApiProcess, pool_figure
from autogpt_db.database.pool import Pool
from autogpt_db.errors import (
    CallError,
    DatabaseUnavailableError,
    NoConnectionError,
    PoolExhaustedError,
)
from autogpt_db.settings import DatabaseSettings, Secret, Settings
from postgres_server import with_schema
from waiting import BUSY, PATIENCE, wait_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from postgres_server import PostgresServer

SIZE = 4
SEED = 10
ROUNDS = 40

READERS = """
import socket, sys
port, size = map(int, sys.argv[1:])
body = b"{}"
request = b"POST /tell_time HTTP/1.1\\r\\nhost: t\\r\\ncontent-type: application/json\\r\\n"
request += b"content-length: %d\\r\\n\\r\\n" % len(body) + body
streams = [socket.create_connection(("127.0.0.1", port)) for _ in range(size)]
for stream in streams:
    stream.sendall(request)
print("reading", flush=True)
while True:
    for stream in streams:
        if stream.recv(65536):
            stream.sendall(request)
"""


def run(
    url: str,
    scenario: Callable[[Pool], Awaitable[None]],
    *,
    seconds: float = 60,
    longest_lease: float = math.inf,
    **options: Any,
) -> None:
    section = DatabaseSettings(url=Secret(with_schema(url)), pool_size=SIZE, **options)

    async def main() -> None:
        async with (
            asyncio.timeout(seconds),
            Pool.open(Settings(database=section), longest_lease=longest_lease) as pool,
        ):
            assert await pool.wait(PATIENCE)
            await scenario(pool)

    asyncio.run(main())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


async def lend_all(pool: Pool) -> None:
    """Have every connection lent at once: all are there, and nobody waits for them."""
    assert await pool.wait(PATIENCE)
    figures = pool.figures()
    assert (figures.in_use, figures.waiting, figures.stray) == (0, 0, 0), figures
    together = [
        asyncio.create_task(pool.call("all", reads=True).row("SELECT pg_sleep(0.3)"))
        for _ in range(SIZE)
    ]
    await until(lambda: pool.figures().in_use == SIZE)
    await asyncio.gather(*together)


async def read(pool: Pool) -> None:
    await pool.call("read", reads=True).row("SELECT 1")


async def read_heavily(pool: Pool) -> None:
    await pool.call("read", reads=True, heavy=True).row("SELECT 1")


async def read_with_patience(pool: Pool) -> None:
    async with asyncio.timeout(random.uniform(0, 0.01)):
        await pool.call("read", reads=True).row("SELECT 1")


async def work_in_transaction(pool: Pool) -> None:
    async with pool.call("work", reads=False).transaction() as inside:
        await inside.row("SELECT 1")
        await inside.row("SELECT 2")


@pytest.mark.parametrize("work", [read, read_heavily, read_with_patience, work_in_transaction])
def test_a_call_that_is_cancelled_at_any_moment_gives_its_connection_back(
    database_url: str, work: Callable[[Pool], Coroutine[Any, Any, None]]
) -> None:
    async def scenario(pool: Pool) -> None:
        random.seed(SEED)
        for _ in range(40):
            tasks = [asyncio.create_task(work(pool)) for _ in range(6 * SIZE)]
            while tasks:
                for _ in range(random.randrange(6)):
                    await asyncio.sleep(0)
                tasks.pop(random.randrange(len(tasks))).cancel()
            await until(lambda: pool.figures().in_use == 0)
        await lend_all(pool)
        assert pool.figures().heavy_in_use == 0

    run(database_url, scenario)


def test_a_call_that_is_cancelled_as_it_is_handed_a_connection_hands_it_on(
    database_url: str,
) -> None:
    async def scenario(pool: Pool) -> None:
        holding = [asyncio.create_task(hold(pool)) for _ in range(SIZE - 1)]
        ours = await pool._connections.lending.borrow("ours", PATIENCE)
        await until(lambda: pool.figures().in_use == SIZE)
        waiting = asyncio.create_task(read(pool))
        await until(lambda: pool.figures().waiting == 1)
        handed_on = asyncio.create_task(read(pool))
        await until(lambda: pool.figures().waiting == 2)
        pool._connections.lending.give_back(ours)
        waiting.cancel()  # it has got one, and doesn't know yet
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await handed_on
        await end(*holding)
        await lend_all(pool)

    run(database_url, scenario)


async def hold(pool: Pool) -> None:
    async with pool.call("hold", reads=True).transaction():
        await asyncio.Event().wait()


async def end(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_readers_that_are_killed_cost_no_connection(database_url: str) -> None:
    """As 64 kept-alive clients that are killed with SIGKILL, over and over."""
    with ApiProcess(database_url, f"database.pool_size={SIZE}") as api:
        for _ in range(ROUNDS):
            readers = subprocess.Popen(
                [sys.executable, "-c", READERS, str(api.port), "64"], stdout=subprocess.PIPE
            )
            assert readers.stdout is not None
            assert readers.stdout.readline() == b"reading\n"
            readers.stdout.close()
            time.sleep(random.uniform(0, 0.1))  # they are killed at any moment
            readers.kill()
            assert readers.wait() == -signal.SIGKILL
        assert_all_lendable(api)
        assert not api.events("internal_error")
        assert not api.events("connection_astray")


def assert_all_lendable(api: ApiProcess) -> None:
    """Hold all connections of an API process at once, while nobody else asks for one."""
    wait_for(lambda: pool_figure(api, "pool_connections_in_use") == 0, what="nothing in use")
    assert pool_figure(api, "pool_calls_waiting") == 0
    with subprocess.Popen(
        [sys.executable, "-c", HOLDERS, str(api.port), str(SIZE)], stdout=subprocess.PIPE
    ) as holders:
        wait_for(lambda: pool_figure(api, "pool_connections_in_use") == SIZE, what="all in use")
        told, _ = holders.communicate(timeout=PATIENCE)
    assert told.split() == [b"200"] * SIZE


HOLD = 4.0
HOLDERS = f"""
import json, sys, urllib.request
from concurrent.futures import ThreadPoolExecutor
port, size = map(int, sys.argv[1:])
def hold(_):
    request = urllib.request.Request(
        f"http://127.0.0.1:{{port}}/sleep_reading",
        json.dumps({{"seconds": {HOLD}}}).encode(),
        {{"content-type": "application/json"}},
    )
    with urllib.request.urlopen(request) as reply:
        return reply.status
with ThreadPoolExecutor(size) as threads:
    print(*threads.map(hold, range(size)))
"""


def test_who_waited_in_vain_counts_no_more(
    own_server: PostgresServer, own_database_url: str
) -> None:
    """After an outage, the queue holds who waits, and not who has waited once."""
    most = 5

    async def scenario(pool: Pool) -> None:
        own_server.stop()
        calls = [
            asyncio.create_task(pool.call("call", reads=True).row("SELECT 1")) for _ in range(most)
        ]
        await until(lambda: pool.figures().waiting == most)
        with pytest.raises(PoolExhaustedError) as refused:
            await read(pool)
        assert "cannot be reached (nobody listens there)" in str(refused.value)
        assert "in use" not in str(refused.value)
        for _ in range(3):
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} == {NoConnectionError}
            assert all("cannot be reached" in str(outcome) for outcome in outcomes)
            assert pool.figures().waiting == 0
            calls = [asyncio.create_task(read(pool)) for _ in range(most)]
        await asyncio.gather(*calls, return_exceptions=True)
        own_server.start()
        await lend_all(pool)

    run(own_database_url, scenario, pool_max_waiting=most, pool_timeout=0.3)


@pytest.mark.parametrize("lost", [1, SIZE])
def test_a_connection_that_is_never_given_back_is_replaced_and_told_of(
    database_url: str, lost: int
) -> None:
    async def forget(pool: Pool) -> None:
        await pool._connections.lending.borrow("forgetful", PATIENCE)

    async def scenario(pool: Pool) -> None:
        with capture_logs() as records:
            for _ in range(lost):
                await asyncio.create_task(forget(pool))
            assert pool.figures().in_use == lost
            await until(lambda: pool.figures().stray == lost)
            waiting = [asyncio.create_task(read(pool)) for _ in range(SIZE + 1)]
            await asyncio.gather(*waiting)
            await until(lambda: pool.totals().strays == lost)
        told = [record["problem"] for record in records if record["event"] == "connection_astray"]
        assert told == ["forgetful never gave it back"] * lost
        await lend_all(pool)

    run(database_url, scenario)


def test_who_holds_a_connection_beyond_every_bound_is_cancelled_and_told_of(
    database_url: str,
) -> None:
    async def hold(pool: Pool) -> None:
        async with pool.call("endless", reads=False).transaction() as inside:
            await inside.row("SELECT 1")
            await asyncio.Event().wait()

    async def scenario(pool: Pool) -> None:
        with capture_logs() as records:
            holders = [asyncio.create_task(hold(pool)) for _ in range(SIZE)]
            await until(lambda: pool.figures().in_use == SIZE)
            waiting = [asyncio.create_task(read(pool)) for _ in range(SIZE)]
            ended = await asyncio.gather(*holders, return_exceptions=True)
            await asyncio.gather(*waiting)
        assert [type(error) for error in ended] == [asyncio.CancelledError] * SIZE
        told = [record["problem"] for record in records if record["event"] == "connection_astray"]
        assert len(told) == SIZE
        assert all(problem.startswith("endless had it for ") for problem in told)
        await lend_all(pool)

    run(database_url, scenario, longest_lease=1.2)


def test_an_outage_of_ten_minutes_is_no_loss(
    own_server: PostgresServer, own_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten minutes by the clock that everything here looks at."""
    clock = time.monotonic
    passed = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: clock() + passed)

    async def scenario(pool: Pool) -> None:
        nonlocal passed
        own_server.stop()
        with capture_logs() as records:
            for _ in range(60):
                with suppress(CallError):
                    await read(pool)
                passed += 10.0
                await asyncio.sleep(0.01)
                figures = pool.figures()
                assert (figures.in_use, figures.stray) == (0, 0)
                assert figures.waiting <= 1, "but for the look that the process takes itself"
            assert pool.figures().failure == "nobody listens there"
        events = [record["event"] for record in records]
        assert "connection_astray" not in events
        assert events.count("connections_refused") <= 2, "told once, not at each attempt"
        own_server.start()
        await until(lambda: pool.figures().size == SIZE)
        assert pool.totals().strays == 0
        await lend_all(pool)

    run(own_database_url, scenario, seconds=660, pool_timeout=0.02)


def test_the_server_is_asked_for_by_few_while_it_is_away(
    own_server: PostgresServer, own_database_url: str
) -> None:
    async def scenario(pool: Pool) -> None:
        own_server.stop()
        with suppress(CallError):
            await read(pool)
        await until(lambda: pool.figures().failure is not None)
        asked: list[float] = []

        async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append(time.monotonic())
            writer.close()

        place = own_server.directory / ".s.PGSQL.5432"
        place.unlink(missing_ok=True)
        async with await asyncio.start_unix_server(hang_up, place):
            # The burst for each lost connection is over; then it is one after the other.
            await until(lambda: len(asked) > SIZE)
            begun = time.monotonic()
            await until(lambda: asked[-1] - begun > 3)
        later = [moment for moment in asked if moment > begun]
        assert len(later) <= 3 * 4, "a few a second, however many are missing"
        place.unlink(missing_ok=True)
        own_server.start()
        returned = time.monotonic()
        assert await pool.wait(PATIENCE)
        assert time.monotonic() - returned < 2.5 * BUSY
        await lend_all(pool)

    run(own_database_url, scenario, pool_timeout=0.1)


def test_closing_waits_for_nobody_and_fails_who_waits(database_url: str) -> None:
    section = DatabaseSettings(url=Secret(with_schema(database_url)), pool_size=1)

    async def main() -> None:
        async with asyncio.timeout(PATIENCE):
            async with Pool.open(Settings(database=section)) as pool:
                assert await pool.wait(PATIENCE)
                holding = asyncio.create_task(hold(pool))
                await until(lambda: pool.figures().in_use == 1)
                waiting = asyncio.create_task(read(pool))
                await until(lambda: pool.figures().waiting == 1)
            with pytest.raises(DatabaseUnavailableError, match="closing"):
                await waiting
            with pytest.raises(DatabaseUnavailableError, match="closing"):
                await read(pool)
            await end(holding)
            figures = pool.figures()
            assert (figures.size, figures.in_use) == (0, 0)

    asyncio.run(main())
