"""Clients that work under faults, one request at a time each, and remember what they were told."""

from __future__ import annotations

import asyncio
import json
import math
import random
import re
import threading
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from chaos.history import OK, REFUSED, UNKNOWN, History
from load import post

if TYPE_CHECKING:
    from collections.abc import Sequence

PATIENCE = 70.0
"""Seconds after which a client without a reply gives up.

Beyond a request's deadline, since a connection may wait for the service to be started again.
"""
_MAY_BE_WRITTEN = re.compile(
    "may or may not|may still complete|given up while|is not known|is still under way"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """How a call ended.

    Attributes:
        outcome: OK (200), REFUSED (nothing was written) or UNKNOWN.
        status: Of the reply, 0 without one.
        value: The reply's JSON.
        replayed: Whether it was said to be an earlier call's.
    """

    outcome: str
    status: int = 0
    value: Any = None
    replayed: bool = False


class Caller:
    """One client: a connection, kept while it lasts.

    Args:
        number: Which client.
        port: Where it calls.
        history: What all clients remember.
        seed: What it draws from.
        disturbed: Whether something may stand between it and the service.
    """

    def __init__(
        self, number: int, port: int, history: History, seed: str, *, disturbed: bool
    ) -> None:
        self.number = number
        self.history = history
        self.random = random.Random(f"{seed}-{number}")
        self._port = port
        self._disturbed = disturbed
        self._sequence = 0
        self._connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    def name(self) -> str:
        """Return a name that nothing else has."""
        self._sequence += 1
        return f"{self.number}-{self._sequence}"

    async def call(self, method: str, arguments: Any, key: str | None = None) -> Answer:
        """Send a call once, with an idempotency key if one is given."""
        identity = f"chaos-{self.name()}"
        headers = {"x-request-id": identity}
        if key is not None:
            headers["idempotency-key"] = key
        answer = Answer(UNKNOWN)
        try:
            async with asyncio.timeout(PATIENCE):
                answer = await self._send(method, arguments, headers)
        except TimeoutError:
            if not self._disturbed:
                self.history.broken(f"{method} {identity}: no reply within {PATIENCE:g} s")
            self.hang_up()
        except (OSError, asyncio.IncompleteReadError):
            self.hang_up()
        self.history.note(answer.outcome)
        if answer.outcome != OK:
            await asyncio.sleep(self.random.uniform(0.01, 0.1))
        return answer

    async def insist(self, method: str, arguments: Any, key: str) -> Answer:
        """Repeat a call with its key until it is answered for good."""
        answer = await self.call(method, arguments, key)
        if answer.replayed:
            self.history.broken(f"{method} {key}: the first reply was said to be another one's")
        while answer.outcome != OK and not 400 <= answer.status < 500:
            answer = await self.call(method, arguments, key)
        return answer

    def hang_up(self) -> None:
        """Leave the connection."""
        if self._connection is not None:
            self._connection[1].transport.abort()
            self._connection = None

    async def _send(self, method: str, arguments: Any, headers: dict[str, str]) -> Answer:
        if self._connection is None:
            try:
                self._connection = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError:
                return Answer(REFUSED)
        status, told, body = await post(self._connection, method, arguments, headers)
        self.history.answers[status] += 1
        if told.get("x-request-id") != headers["x-request-id"]:
            self.history.broken(f"{method}: a reply to {told.get('x-request-id')} came instead")
        if told.get("connection") == "close":
            self.hang_up()
        value = json.loads(body)
        replayed = told.get("idempotency-replayed") == "true"
        if status == 200:
            return Answer(OK, status, value, replayed)
        words = str(value.get("args") or value.get("detail")) if isinstance(value, dict) else ""
        self.history.words[f"{status} {words[:160]}"] += 1
        if status != 503:
            self.history.broken(f"{method} {json.dumps(arguments)[:200]}: {status} {words[:400]}")
        elif "retry-after" not in told:
            self.history.broken(f"{method}: 503 without Retry-After: {words[:200]}")
        unknown = _MAY_BE_WRITTEN.search(words)
        return Answer(UNKNOWN if unknown else REFUSED, status, value)


class Clients:
    """Callers that work in a thread of their own until they are told to stop.

    Args:
        ports: Where they call, in turn; what is not the first may be disturbed.
        history: What they remember.
        seed: What they draw from.
        count: How many they are.
        work: What each does, again and again.
        rate: How many steps of it all of them begin in a second, at most.
    """

    def __init__(
        self,
        ports: Sequence[int],
        history: History,
        seed: str,
        *,
        count: int,
        work: type[Any],
        rate: float = math.inf,
    ) -> None:
        self._ports = ports
        self._history = history
        self._seed = seed
        self._count = count
        self._work = work
        self._pause = count / rate
        self._stop = False
        self._thread = threading.Thread(target=self._work_all, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    @property
    def working(self) -> bool:
        """Tell whether they still do: they end by themselves when one of them fails."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Let every client finish what it has begun, and wait for them."""
        self._stop = True
        self._thread.join(90)
        if self._thread.is_alive():
            self._history.broken("a client could not finish within 90 s after the last fault")

    def _work_all(self) -> None:
        try:
            asyncio.run(self._run())
        except Exception:  # a reply that no client understands, too
            self._history.broken(f"a client failed:\n{traceback.format_exc()}")

    async def _run(self) -> None:
        await asyncio.gather(*(self._client(number) for number in range(self._count)))

    async def _client(self, number: int) -> None:
        way = number % len(self._ports)
        caller = Caller(number, self._ports[way], self._history, self._seed, disturbed=way > 0)
        work = self._work(caller)
        while not self._stop:
            await work.step()
            await asyncio.sleep(self._pause)
        await work.finish()
        caller.hang_up()
