"""Who looks whether we are there: one look answers all, and none of them takes a call's place."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from api_process import ApiProcess, bytes_unread, pool_figure, read_reply, request
from autogpt_db.database.pool import Pool
from autogpt_db.settings import DatabaseSettings, Secret, Settings
from postgres_server import with_schema
from waiting import PATIENCE, wait_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

SIZE = 2
CLIENTS = 600

LOOKERS = """
import selectors, signal, socket, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # also where tests run in the background
port, size = map(int, sys.argv[1:])
paths = ("GET /health_check", "POST /health_check_async", "GET /ready")
selector = selectors.DefaultSelector()
requests = {}
for number in range(size):
    stream = socket.create_connection(("127.0.0.1", port))
    words = f"{paths[number % 3]} HTTP/1.1\\r\\nhost: t\\r\\ncontent-length: 0\\r\\n\\r\\n"
    requests[stream] = words.encode()
    # At once: who is silent for too long, until all have connected, is closed without a word.
    stream.sendall(requests[stream])
    selector.register(stream, selectors.EVENT_READ)
print("looking", flush=True)
answers = 0
try:
    while True:
        for key, _ in selector.select():
            reply = key.fileobj.recv(65536)
            if not reply.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"a look failed: {reply!r}")
            answers += 1
            key.fileobj.sendall(requests[key.fileobj])
except KeyboardInterrupt:
    print(answers, flush=True)
"""


def run(url: str, scenario: Callable[[Pool], Awaitable[None]], **options: Any) -> None:
    section = DatabaseSettings(url=Secret(with_schema(url)), pool_size=SIZE, **options)

    async def main() -> None:
        async with asyncio.timeout(PATIENCE), Pool.open(Settings(database=section)) as pool:
            assert await pool.wait(PATIENCE)
            await scenario(pool)

    asyncio.run(main())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


def looks() -> int:
    return sum(task.get_name() == "pulse" for task in asyncio.all_tasks())


@contextmanager
def holding(url: str) -> Iterator[None]:
    """Keep what waits by `GATE` waiting."""
    with psycopg.connect(url) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(1)")
        yield


GATE = "SELECT pg_advisory_xact_lock_shared(1)"


async def wait_at_gate(pool: Pool) -> None:
    await pool.call("gate", reads=True).row(GATE)


async def call(pool: Pool, seconds: float) -> None:
    handle = pool.call("call", reads=True)
    await handle.row("SELECT pg_sleep(%(seconds)s)", {"seconds": seconds})


def test_one_look_answers_all_and_goes_before_the_calls_that_wait(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        with holding(database_url):
            calls = [asyncio.create_task(wait_at_gate(pool)) for _ in range(SIZE)]
            await until(lambda: pool.figures().in_use == SIZE)
            calls += [asyncio.create_task(call(pool, 0.2)) for _ in range(30)]
            await until(lambda: pool.figures().waiting == 30)
            lookers = [asyncio.create_task(pool.look(PATIENCE)) for _ in range(CLIENTS)]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert looks() == 1
            assert pool.figures().waiting == 30 + 1
        verdicts = await asyncio.gather(*lookers)
        assert {verdict.problem for verdict in verdicts} == {None}
        assert sum(not task.done() for task in calls) > 10, "it went before them"
        await asyncio.gather(*calls)

    run(database_url, scenario)


def test_a_full_queue_refuses_calls_and_no_look(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        with holding(database_url):
            calls = [asyncio.create_task(wait_at_gate(pool)) for _ in range(SIZE + 1)]
            await until(lambda: pool.figures().waiting == 1)
            looking = asyncio.create_task(pool.look(PATIENCE))
            await until(lambda: looks() == 1)
        assert (await looking).problem is None
        await asyncio.gather(*calls)

    run(database_url, scenario, pool_max_waiting=1)


def test_who_leaves_ends_no_look_of_the_others(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        with holding(database_url):
            calls = [asyncio.create_task(wait_at_gate(pool)) for _ in range(SIZE)]
            await until(lambda: pool.figures().in_use == SIZE)
            leaving = [asyncio.create_task(pool.look(PATIENCE)) for _ in range(10)]
            staying = asyncio.create_task(pool.look(PATIENCE))
            await until(lambda: looks() == 1)
            for task in leaving:
                task.cancel()
        assert (await staying).problem is None
        await asyncio.gather(*calls)
        assert pool.figures().in_use == 0

    run(database_url, scenario)


def test_connections_that_are_all_held_in_vain_are_a_problem(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        calls = [asyncio.create_task(call(pool, 3)) for _ in range(SIZE)]
        await until(lambda: pool.figures().in_use == SIZE)
        verdict = await pool.look(2)
        assert verdict.problem is not None
        assert "became free" in verdict.problem
        await asyncio.gather(*calls)
        assert (await pool.look(2)).problem is None, "a bad answer is not kept for long"

    run(database_url, scenario, pool_timeout=0.5)


def test_calls_that_go_through_prove_as_much_as_a_look(database_url: str) -> None:
    """Every connection is held for longer than a look may take, and each is answered meanwhile."""

    async def transact(pool: Pool) -> None:
        async with pool.call("work", reads=True).transaction() as inside:
            for _ in range(8):
                await inside.row("SELECT pg_sleep(0.1)")

    async def scenario(pool: Pool) -> None:
        calls = [asyncio.create_task(transact(pool)) for _ in range(SIZE)]
        await until(lambda: pool.figures().in_use == SIZE)
        assert (await pool.look(2)).problem is None
        assert pool.figures().in_use == SIZE
        await asyncio.gather(*calls)

    run(database_url, scenario, pool_timeout=0.3)


def test_six_hundred_that_look_push_no_call_aside(database_url: str) -> None:
    settings = (f"database.pool_size={SIZE}", "api.token=secret", "logging.request_lines=10000")
    call = request("tell_time", b"{}", "authorization: Bearer secret")
    with ApiProcess(database_url, *settings) as api, api.connect() as connection:
        connection.sendall(call)
        assert read_reply(connection)[0] == 200
        lookers = subprocess.Popen(
            [sys.executable, "-c", LOOKERS, str(api.port), str(CLIENTS)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert lookers.stdout is not None
        assert lookers.stdout.readline() == "looking\n"
        ends, calls = time.monotonic() + 3, 0
        while calls < 2 or time.monotonic() < ends:
            connection.sendall(call)
            status, _, reply = read_reply(connection)
            assert status == 200, reply
            calls += 1
        lookers.send_signal(signal.SIGINT)
        answers = int(lookers.stdout.read())
        lookers.stdout.close()
        assert lookers.wait(PATIENCE) == 0
        print(f"\n{calls} calls beside {answers} looks")
        assert answers > CLIENTS, "each was answered more than once"
        # The looks cost time of the processor; what they must not cost is connections.
        assert pool_waits(api) <= SIZE


def pool_waits(api: ApiProcess) -> float:
    text = api.client.get("/metrics", headers={"authorization": "Bearer secret"}).text
    (line,) = [
        line for line in text.splitlines() if line.startswith("autogpt_db_pool_waits_total{")
    ]
    return float(line.rpartition(" ")[2])


@pytest.mark.parametrize("path", ["live", "metrics"])
def test_liveness_and_figures_depend_on_no_queue(database_url: str, path: str) -> None:
    with ApiProcess(database_url, "database.pool_size=1") as api, api.connect() as busy:
        busy.sendall(request("sleep_reading", b'{"seconds": 40}'))
        wait_for(lambda: pool_figure(api, "pool_connections_in_use") == 1)
        assert api.client.get(f"/{path}").status_code == 200
        assert bytes_unread(busy) == 0, "it has the connection still"
