"""The admin listener's server: how many it serves, and what becomes of who doesn't read."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from starlette.responses import Response

from autogpt_db.admin import server as server_module
from autogpt_db.admin.server import Server
from waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import Receive, Scope, Send

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@asynccontextmanager
async def serving(content: bytes) -> AsyncIterator[tuple[Server, tuple[str, int]]]:
    """Yield a server that answers everything with `content`, and where it is."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(content)(scope, receive, send)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(app)
        task = asyncio.create_task(server.serve_on([listener]))
        try:
            yield server, listener.getsockname()
        finally:
            server.stop()
            server.stop()
            await task


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


def test_one_client_too_many_is_told_when_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MOST_CONNECTIONS", 3)
    monkeypatch.setattr(server_module, "MARGIN", 2)

    async def answered(address: tuple[str, int], count: int, server: Server) -> str:
        """Return what the connection that is number `count` is answered; it stays open."""
        reader, writer = await asyncio.open_connection(*address)
        held.append(writer)
        await until(lambda: len(server.server_state.connections) == count)
        writer.write(REQUEST)
        async with asyncio.timeout(PATIENCE):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            if "200 ok" in head:
                return "served"
            body = json.loads(await reader.read())
        assert "retry-after: 5" in head
        assert "content-type: application/problem+json" in head
        assert "frame-ancestors 'none'" in head
        assert body["status"] == 503
        return "told"

    held: list[asyncio.StreamWriter] = []

    async def scenario() -> None:
        async with serving(b"here") as (server, address):
            for count in (1, 2, 3):
                assert await answered(address, count, server) == "served"
            # Who is told keeps a place until it has read it: the next ones are not read any more.
            idle = [await asyncio.open_connection(*address) for _ in range(2)]
            await until(lambda: len(server.server_state.connections) == 5)
            for count in (6, 7):
                assert await answered(address, count, server) == "told"
            reader, writer = await asyncio.open_connection(*address)
            writer.write(REQUEST)
            try:
                async with asyncio.timeout(PATIENCE):
                    assert await reader.read() == b""  # one more is cut off
            except ConnectionError:
                pass
            idle[0][1].write(REQUEST)
            async with asyncio.timeout(PATIENCE):
                assert b" 503 " in await idle[0][0].readline()
            for each in (*held, writer, *(one for _, one in idle)):
                each.close()
            await until(lambda: not server.server_state.connections)
            assert await answered(address, 1, server) == "served"
            held[-1].close()

    asyncio.run(scenario())


def test_who_asks_and_never_reads_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "SILENCE", 0.5)

    async def scenario() -> None:
        async with serving(bytes(1_000_000)) as (server, address):
            with socket.create_connection(address) as deaf:
                deaf.sendall(REQUEST * 100)  # more than any buffer on the way holds
                await until(lambda: len(server.server_state.connections) == 1)
                await until(lambda: not server.server_state.connections)

    asyncio.run(scenario())
