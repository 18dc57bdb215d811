"""Clients that write under faults, and a history to hold against the database afterwards.

Every client keeps its connection and sends one request at a time. An outcome is `ok` (200),
`refused` (no connection), `failed` (the connection broke before the reply) or `answered` (any
other status); the database then says whether an `ok` was lost.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import psycopg

if TYPE_CHECKING:
    from collections.abc import Mapping


RATE = math.inf if int(os.environ.get("AUTOGPT_DB_TEST_ROUNDS", "3")) > 3 else 500.0
"""Requests a second that all clients together begin at most: as many as can be had take all that
other tests have as well, and show no more. With the full number of rounds there is no bound."""


@dataclass
class History:
    """What the clients saw.

    Attributes:
        acknowledged: Keys whose write was answered with 200.
        outcomes: How often each outcome was seen.
        statuses: How often each HTTP status was seen.
        slowest: Seconds of the slowest request.
        first_failures: A few failures in words.
    """

    acknowledged: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    slowest: float = 0.0
    first_failures: list[str] = field(default_factory=list)
    replies_503_without_retry_after: int = 0
    last_ok: float = 0.0

    def note(self, outcome: str, words: str = "") -> None:
        self.outcomes[outcome] += 1
        if outcome != "ok" and len(self.first_failures) < 20:
            self.first_failures.append(f"{outcome}: {words}")

    def __str__(self) -> str:
        counts = ", ".join(f"{name} {count}" for name, count in sorted(self.outcomes.items()))
        return f"{counts}; statuses {dict(self.statuses)}; slowest {self.slowest:.3f} s"


class Writers:
    """`clients` keep-alive clients that write distinct keys until told to stop.

    They run in a thread of their own, so that a test can break things meanwhile.
    """

    def __init__(self, port: int, *, clients: int = 32) -> None:
        self.port = port
        self.clients = clients
        self.history = History()
        self._stop = False
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop = True
        self._thread.join(90)
        assert not self._thread.is_alive(), "a request was never answered"

    @property
    def ok(self) -> int:
        return len(self.history.acknowledged)

    async def _run(self) -> None:
        await asyncio.gather(*(self._client(number) for number in range(self.clients)))

    async def _client(self, number: int) -> None:
        connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        sequence = 0
        while not self._stop:
            sequence += 1
            key = f"{number}-{sequence}"
            started = time.monotonic()
            if connection is None:
                try:
                    connection = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError as error:
                    self.history.note("refused", repr(error))
                    await asyncio.sleep(0.01)
                    continue
            try:
                close = await self._write(connection, key)
            except (OSError, asyncio.IncompleteReadError, ValueError) as error:
                self.history.note("failed", repr(error))
                close = True
            self.history.slowest = max(self.history.slowest, time.monotonic() - started)
            if close:
                connection[1].close()
                connection = None
            await asyncio.sleep(self.clients / RATE)
        if connection is not None:
            connection[1].close()

    async def _write(
        self, connection: tuple[asyncio.StreamReader, asyncio.StreamWriter], key: str
    ) -> bool:
        status, headers, body = await post(
            connection,
            "set_execution_kv_data",
            {"user_id": "load", "node_exec_id": "load", "key": key, "data": {"key": key}},
        )
        self.history.statuses[status] += 1
        if status == 200:
            assert json.loads(body) == {"key": key}
            self.history.acknowledged.append(key)
            self.history.last_ok = time.monotonic()
            self.history.note("ok")
        else:
            self.history.note("answered", f"{status} {body[:200]!r}")
            if status == 503 and "retry-after" not in headers:
                self.history.replies_503_without_retry_after += 1
            await asyncio.sleep(0.05)
        return headers.get("connection") == "close"


async def post(
    connection: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    method: str,
    arguments: dict[str, Any],
    headers: Mapping[str, str] | None = None,
) -> tuple[int, dict[str, str], bytes]:
    """Send one request on a kept connection and read its whole reply."""
    reader, writer = connection
    body = json.dumps(arguments).encode()
    more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    writer.write(
        f"POST /{method} HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\n"
        f"{more}content-length: {len(body)}\r\n\r\n".encode()
        + body
    )
    await writer.drain()
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {
        name.lower(): value.strip()
        for name, _, value in (line.partition(":") for line in head[1:] if line)
    }
    reply = await reader.readexactly(int(headers["content-length"]))
    return int(head[0].split()[1]), headers, reply


def lost(url: str, acknowledged: list[str]) -> list[str]:
    """Return the acknowledged keys that the database at `url` does not have."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            'SELECT key FROM platform."AgentNodeExecutionKeyValueData" WHERE "userId" = %s',
            ("load",),
        ).fetchall()
    return sorted(set(acknowledged) - {row[0] for row in rows})
