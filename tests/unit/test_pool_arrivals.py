"""Watching a connection: what comes is told once, and never of another connection."""

from __future__ import annotations

import asyncio
import socket
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from autogpt_db.database.pool.arrivals import Arrivals
from waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Scenario = Callable[[Arrivals, socket.socket, socket.socket], Awaitable[None]]


def run(scenario: Scenario) -> None:
    """Run a scenario with a watched socket, and the other end of it, on either event loop."""

    async def main() -> None:
        ours, theirs = socket.socketpair()
        arrivals = Arrivals(ours.fileno())
        with closing(ours), closing(theirs), closing(arrivals):
            await asyncio.wait_for(scenario(arrivals, ours, theirs), PATIENCE)

    asyncio.run(main())
    uvloop.run(main())


def test_who_waits_is_told_of_each_arrival() -> None:
    async def scenario(arrivals: Arrivals, ours: socket.socket, theirs: socket.socket) -> None:
        for _ in range(3):
            asyncio.get_running_loop().call_soon(theirs.send, b"x")
            await arrivals.next()
            assert ours.recv(10) == b"x"

    run(scenario)


def test_what_comes_unasked_is_known_before_the_loop_has_its_turn_and_after_it() -> None:
    async def scenario(arrivals: Arrivals, ours: socket.socket, theirs: socket.socket) -> None:
        known = [arrivals.unasked]
        theirs.send(b"x")
        known.append(arrivals.unasked)
        while arrivals._watching:  # as long as the loop has not heard of it
            await asyncio.sleep(0)
        known.append(arrivals.unasked)
        ours.recv(10)
        arrivals.resume()
        known.append(arrivals.unasked)
        theirs.close()  # the end of the stream
        known.append(arrivals.unasked)
        assert known == [False, True, True, False, True]

    run(scenario)


def test_who_waits_hears_what_came_while_nobody_did() -> None:
    async def scenario(arrivals: Arrivals, ours: socket.socket, theirs: socket.socket) -> None:
        theirs.send(b"x")
        while arrivals._watching:
            await asyncio.sleep(0)
        await arrivals.next()
        assert ours.recv(10) == b"x"

    run(scenario)


def test_who_waits_is_told_that_it_is_closed_and_so_is_who_comes_later() -> None:
    async def scenario(arrivals: Arrivals, ours: socket.socket, theirs: socket.socket) -> None:
        del ours, theirs
        asyncio.get_running_loop().call_soon(arrivals.close)
        await arrivals.next()
        await arrivals.next()
        assert arrivals.unasked

    run(scenario)


def test_a_number_that_another_connection_has_got_is_nothing_to_it() -> None:
    async def scenario(arrivals: Arrivals, ours: socket.socket, theirs: socket.socket) -> None:
        number = ours.fileno()
        ours.close()  # as libpq does when the stream has ended
        other, its_peer = socket.socketpair()
        with closing(other), closing(its_peer):
            assert other.fileno() == number, "the lowest that is free"
            others = Arrivals(number)
            with closing(others):
                asyncio.get_running_loop().call_soon(its_peer.send, b"y")
                await others.next()
                assert not arrivals.unasked
                arrivals.close()
                other.recv(10)
                asyncio.get_running_loop().call_soon(its_peer.send, b"z")
                await others.next()
        del theirs

    run(scenario)


def test_nothing_stays_open() -> None:
    async def scenario(arrivals: Arrivals, ours: socket.socket, theirs: socket.socket) -> None:
        before = set(Path("/proc/self/fd").iterdir())
        another = Arrivals(ours.fileno())
        another.close()
        another.close()
        assert set(Path("/proc/self/fd").iterdir()) == before
        del arrivals, theirs

    run(scenario)
