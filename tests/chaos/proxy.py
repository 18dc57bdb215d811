"""A TCP relay whose connections meet a fate: cut, closed, half closed, delayed, swallowed.

It runs in a thread of its own. A connection draws its fate when it is made, and meets it after so
many bytes; whoever is connected when fates begin draws one then.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from waiting import PATIENCE

KINDS = ("cut", "close", "half_close", "delay", "black_hole")
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER that makes closing a socket a reset."""


@dataclass
class Fate:
    """What becomes of a connection.

    Attributes:
        kind: One of `KINDS`.
        client_side: Whether the bytes that count are those of the client.
        bytes_left: After how many of them.
        seconds: How long a delay or a black hole lasts.
    """

    kind: str
    client_side: bool
    bytes_left: int
    seconds: float


class Proxy:
    """Relays TCP connections, and draws fates for them while told to.

    Args:
        target: Port on this host to lead to.
        seed: What the fates are drawn from.

    Attributes:
        port: Where it listens.
        met: How many connections met each kind of fate.
    """

    def __init__(self, target: int, seed: str) -> None:
        self.target = target
        self.met: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._kinds: tuple[str, ...] = ()
        self._reach = 0
        self._links: set[_Link] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._start())
        return self

    def __exit__(self, *_error: object) -> None:
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    def begin(self, kinds: tuple[str, ...], *, reach: int) -> None:
        """Draw fates from now on, for those who are connected, too.

        Args:
            kinds: Of `KINDS`.
            reach: Bytes within which most of them are met.
        """

        def draw() -> None:
            self._kinds, self._reach = kinds, reach
            for link in self._links:
                link.fate = link.fate or self.draw()

        self._loop.call_soon_threadsafe(draw)

    def stop(self) -> None:
        """Draw no more fates; what has not met its own is spared."""

        def spare() -> None:
            self._kinds = ()
            for link in self._links:
                link.fate = None

        self._loop.call_soon_threadsafe(spare)

    def draw(self) -> Fate | None:
        """Return the next fate, None while there are none."""
        if not self._kinds:
            return None
        one = self._random
        return Fate(
            kind=one.choice(self._kinds),
            client_side=one.random() < 0.5,
            # Now and then in the middle of the first bytes.
            bytes_left=one.randrange(self._reach if one.random() < 0.8 else 200),
            seconds=one.uniform(0.05, 2.0),
        )

    async def _start(self) -> None:
        self._server = await self._loop.create_server(
            lambda: _Side(_Link(self)), sock=self._listener
        )

    async def _end(self) -> None:
        self._server.close()
        for link in list(self._links):
            link.abort()
        await asyncio.sleep(0)

    def _call(self, what: object) -> None:
        assert asyncio.iscoroutine(what)
        asyncio.run_coroutine_threadsafe(what, self._loop).result(10)


class _Link:
    """A connection of a client's and the one to the server that it leads to."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.fate = proxy.draw()
        self.client: asyncio.Transport | None = None
        self.server: asyncio.Transport | None = None
        self.early: list[bytes] = []
        self.swallowing = False
        self.closed_way: bool | None = None
        proxy._links.add(self)

    def began(self, transport: asyncio.Transport) -> None:
        if self.client is None:
            self.client = transport
            transport.pause_reading()
            self.connecting = asyncio.ensure_future(self._connect())
        else:
            self.server = transport

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        assert self.client is not None
        try:
            await loop.create_connection(lambda: _Side(self), "127.0.0.1", self.proxy.target)
        except OSError:
            self.abort()
            return
        early, self.early = self.early, []
        for data in early:
            self.relay(self.client, data)
        if not self.client.is_closing():
            self.client.resume_reading()

    def relay(self, source: asyncio.Transport, data: bytes) -> None:
        from_client = source is self.client
        if self.swallowing or self.closed_way is from_client:
            return
        target = self.server if from_client else self.client
        if target is None:
            # Up to Python 3.11.3 what is paused as soon as it is made reads nevertheless.
            self.early.append(data)
            return
        fate = self.fate
        if fate is None or fate.client_side is not from_client or len(data) < fate.bytes_left:
            if fate is not None and fate.client_side is from_client:
                fate.bytes_left -= len(data)
            target.write(data)
            return
        self.fate = None
        self.proxy.met[fate.kind] += 1
        target.write(data[: fate.bytes_left])
        rest = data[fate.bytes_left :]
        loop = asyncio.get_running_loop()
        match fate.kind:
            case "cut":
                # What was passed on must have gone out before the reset.
                loop.call_later(0.001, self.abort)
            case "close":
                self.close()
            case "half_close":
                self.closed_way = from_client
                target.write_eof()
                loop.call_later(10, self.abort)
            case "delay":
                source.pause_reading()
                loop.call_later(fate.seconds, self._go_on, source, target, rest)
            case "black_hole":
                self.swallowing = True
                loop.call_later(fate.seconds * 6, self.abort)

    def _go_on(self, source: asyncio.Transport, target: asyncio.Transport, rest: bytes) -> None:
        if not source.is_closing() and not target.is_closing():
            target.write(rest)
            source.resume_reading()
            self.fate = self.fate or self.proxy.draw()

    def eof(self, source: asyncio.Transport) -> bool:
        """Pass an end of stream on; keep the other way open."""
        target = self.server if source is self.client else self.client
        if target is not None and not target.is_closing() and not self.swallowing:
            with suppress(OSError, RuntimeError):
                target.write_eof()
        return True

    def lost(self) -> None:
        if self.swallowing:
            return  # the other side hears nothing of it until the hole closes
        self.close()

    def close(self) -> None:
        """Close both connections as a host does that goes in peace."""
        for one in (self.client, self.server):
            if one is not None:
                one.close()
        self.proxy._links.discard(self)

    def abort(self) -> None:
        """Reset both connections."""
        for one in (self.client, self.server):
            if one is not None:
                found = one.get_extra_info("socket")
                if found is not None and found.fileno() >= 0:
                    found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                one.abort()
        self.proxy._links.discard(self)


class _Side(asyncio.Protocol):
    """One of a link's two connections."""

    def __init__(self, link: _Link) -> None:
        self._link = link
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._link.began(transport)

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._link.relay(self._transport, data)

    def eof_received(self) -> bool:
        assert self._transport is not None
        return self._link.eof(self._transport)

    def connection_lost(self, _error: Exception | None) -> None:
        self._link.lost()

    def pause_writing(self) -> None:
        other = self._other()
        if other is not None and not other.is_closing():
            other.pause_reading()

    def resume_writing(self) -> None:
        other = self._other()
        if other is not None and not other.is_closing():
            other.resume_reading()

    def _other(self) -> asyncio.Transport | None:
        link = self._link
        return link.server if self._transport is link.client else link.client
