"""Several addresses: the first that answers is taken, whatever the others do."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
import pytest

from autogpt_db.database import hosts as hosts_module
from autogpt_db.database.hosts import Hosts, connect, each_host
from autogpt_db.database.pool import Pool
from autogpt_db.database.provisioning.manager import DatabaseManager
from autogpt_db.database.url import DatabaseUrl
from autogpt_db.errors import ConfigurationError, DatabaseUnreachableError
from autogpt_db.settings import DatabaseSettings, Secret, Settings, WorkerSettings
from autogpt_db.worker.queue import open_queue
from daemon_process import free_port
from fickle_host import FickleHost
from postgres_server import PostgresServer, clone, with_schema
from waiting import BUSY, PATIENCE, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT = 5
"""Seconds that libpq would give a silent address before it tries the next."""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer(port=free_port()) as server:
        yield server


def conninfo(*ports: int) -> str:
    hosts = ",".join("127.0.0.1" for _ in ports)
    return (
        f"host={hosts} port={','.join(map(str, ports))} user=postgres dbname=postgres "
        f"connect_timeout={TIMEOUT} target_session_attrs=primary"
    )


def port_of(connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> int:
    return connection.info.port


def opened(text: str) -> int:
    """Return the port that a connection of psycopg's asynchronous kind leads to."""

    async def main() -> int:
        connection = await Hosts(text).connect(psycopg.AsyncConnection.connect)
        await connection.execute("SELECT 1")
        port = port_of(connection)
        await connection.close()
        return port

    return asyncio.run(main())


def opened_at_once(text: str) -> int:
    """Return the same for a connection without an event loop, as main needs it."""
    with connect(text) as connection:
        assert connection.autocommit
        connection.execute("SELECT 1")
        return port_of(connection)


@pytest.mark.parametrize("how", [opened, opened_at_once])
def test_silent_and_absent_hosts_hold_up_nobody(server: PostgresServer, how: Any) -> None:
    assert server.port is not None
    with FickleHost() as silent, FickleHost() as another:
        text = conninfo(silent.port, free_port(), another.port, server.port)
        began = time.monotonic()
        assert how(text.replace(f"connect_timeout={TIMEOUT}", "connect_timeout=50")) == server.port
        assert time.monotonic() - began < 50, "nobody waited for who is silent"


@pytest.mark.parametrize("how", [opened, opened_at_once])
def test_where_none_answers_each_is_named(server: PostgresServer, how: Any) -> None:
    assert server.port is not None
    absent = free_port()
    with FickleHost() as silent:
        text = conninfo(silent.port, absent, server.port).replace("dbname=postgres", "dbname=none")
        with pytest.raises(psycopg.OperationalError) as caught:
            how(text.replace(f"connect_timeout={TIMEOUT}", "connect_timeout=2"))
    first, *others = str(caught.value).splitlines()
    assert 'database "none" does not exist' in first, "who answers knows most"
    assert "refused" in "".join(others)
    assert "timeout expired" in "".join(others)


def test_the_one_that_answered_is_tried_first(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        with FickleHost() as silent:
            hosts = Hosts(conninfo(silent.port, server.port or 0))
            await (await hosts.connect(psycopg.AsyncConnection.connect)).close()
            wait_for(lambda: silent.clients == 1, what="the silent one to be asked")
            monkeypatch.setattr(hosts_module, "HEAD_START", PATIENCE)
            await (await hosts.connect(psycopg.AsyncConnection.connect)).close()
            assert silent.clients == 1, "it was asked again"

    asyncio.run(main())


def test_only_one_session_is_left_of_an_attempt(server: PostgresServer) -> None:
    async def main() -> None:
        with FickleHost(server.port, delay=0.3) as slow:
            hosts = Hosts(conninfo(slow.port, server.port or 0))
            connection = await hosts.connect(psycopg.AsyncConnection.connect)
            assert port_of(connection) == server.port
            found = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
            async with asyncio.timeout(PATIENCE):
                while await (await connection.execute(found)).fetchone() != (1,):
                    await asyncio.sleep(0.01)
            await connection.close()

    asyncio.run(main())


def test_hosts_are_taken_apart_as_libpq_does() -> None:
    ports = [host["port"] for host in each_host("host=a,b port=1,2")]
    assert ports == ["1", "2"]
    assert [host["port"] for host in each_host("host=a,b port=1")] == ["1", "1"]
    assert [host["host"] for host in each_host("host=a,b,c port=1,2")] == ["a,b,c"]
    assert [host["hostaddr"] for host in each_host("hostaddr=1.1.1.1,2.2.2.2")] == [
        "1.1.1.1",
        "2.2.2.2",
    ]


def settings_for(name: str, *ports: int) -> Settings:
    """Return settings for a database of the server's, at these ports of this host."""
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    url = with_schema(f"postgresql://postgres@{hosts}/{name}")
    assert DatabaseUrl.parse(url).parameters["host"].count(",") == len(ports) - 1
    return Settings(
        database=DatabaseSettings(url=Secret(url), connect_timeout=TIMEOUT, pool_size=4),
        worker=WorkerSettings(pool_size=3),
    )


def test_a_host_that_refuses_for_good_is_no_reason_not_to_wait_for_another(
    server: PostgresServer,
) -> None:
    assert server.port is not None

    def start(*ports: int) -> None:
        settings = settings_for("none", *ports)
        database = msgspec.structs.replace(settings.database, startup_timeout=1.0)
        with DatabaseManager(msgspec.structs.replace(settings, database=database)):
            pass

    with pytest.raises(DatabaseUnreachableError, match="does not exist"):
        start(free_port(), server.port)
    with pytest.raises(ConfigurationError, match="does not exist"):
        start(server.port, server.port)


def test_a_pool_leaves_a_host_that_falls_silent(server: PostgresServer) -> None:
    clone(server, None, "falling")

    async def main() -> None:
        with FickleHost(server.port) as first, FickleHost(server.port) as second:
            settings = settings_for("falling", first.port, second.port)
            async with Pool.open(settings) as pool:
                assert await pool._connections.wait(PATIENCE)
                for _ in range(2):
                    for fickle, other in ((first, second), (second, first)):
                        fickle.silent, other.silent = True, False
                        # Nobody calls: the service finds it out by itself.
                        async with asyncio.timeout(PATIENCE):
                            while True:
                                ports = [
                                    connection.info.port
                                    for connection in pool._connections.lending.open
                                ]
                                if ports == [other.port] * 4:
                                    break
                                await asyncio.sleep(0.05)
                        call = pool.call("call", reads=True)
                        assert await asyncio.wait_for(call.row("SELECT 1"), 2 * BUSY) == (1,)

    asyncio.run(main())


def test_a_pool_leaves_a_silent_host_that_has_all_its_connections(server: PostgresServer) -> None:
    clone(server, None, "waiting")

    async def main() -> None:
        with FickleHost(server.port) as first, FickleHost(server.port) as second:
            async with Pool.open(settings_for("waiting", first.port, second.port)) as pool:
                for fickle, other in ((first, second), (second, first)):
                    async with asyncio.timeout(PATIENCE):
                        while pool._connections.lending.idle < 4:
                            await asyncio.sleep(0.01)
                    fickle.silent, other.silent = True, False
                    calls = [pool.call("call", reads=True) for _ in range(4)]
                    asked = asyncio.gather(*(call.row("SELECT 1") for call in calls))
                    # Sooner than a statement's own time is up.
                    limit = pool._connections.statement_timeout * 0.75
                    assert await asyncio.wait_for(asked, limit) == [(1,)] * 4

    asyncio.run(main())


def test_calls_that_take_long_are_no_silence(server: PostgresServer) -> None:
    clone(server, None, "slow")

    async def main() -> None:
        with FickleHost(server.port) as first, FickleHost(server.port) as second:
            async with Pool.open(settings_for("slow", first.port, second.port)) as pool:
                assert await pool._connections.wait(PATIENCE)
                calls = [pool.call("call", reads=True) for _ in range(4)]
                sql = "SELECT pg_backend_pid() FROM pg_sleep(1)"
                asked = asyncio.gather(*(call.row(sql) for call in calls))
                async with asyncio.timeout(PATIENCE):
                    while not pool._connections.all_lent:
                        await asyncio.sleep(0.01)
                await pool._connections.leave_host_of_all()
                assert first.clients + second.clients > 4
                assert len(set(await asked)) == 4
                assert {call.statements for call in calls} == {1}, "none was repeated"

    asyncio.run(main())


@pytest.mark.parametrize("delay", [0.0, 3.4])
def test_a_queue_opens_on_slow_and_beside_silent_hosts(
    server: PostgresServer, delay: float
) -> None:
    """3.4 s are more than a statement of the queue waits, and less than an attempt may take."""

    async def main() -> None:
        with FickleHost() as silent, FickleHost(server.port, delay=delay) as slow:
            ports = (slow.port,) if delay else (silent.port, slow.port)
            async with open_queue(settings_for("postgres", *ports), {}) as queue:
                assert not await queue.app.check_connection_async(), "it has no tables here"

    asyncio.run(main())
