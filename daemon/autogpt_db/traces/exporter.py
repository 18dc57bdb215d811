"""Sending spans: from a thread of its own, so that no call waits for a collector, whatever it does.

What waits is bounded, and so is the end. A collector that is down, slow or refuses is told of
once, until it has taken something again; what is lost is counted.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from contextlib import suppress
from contextvars import Context
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from google.protobuf.message import DecodeError

from autogpt_db.backoff import Backoff
from autogpt_db.logs.events import traces as log
from autogpt_db.metrics import families
from autogpt_db.traces.encoding import rejected_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from autogpt_db.metrics import Store
    from autogpt_db.spans import Span
    from autogpt_db.traces.collector import Answer, Collector
    from autogpt_db.traces.encoding import Encoder

BATCH = 256
"""Spans in one request: to write them takes 2 ms, a few at a time (`encoding.PIECE`)."""
INTERVAL = 1.0
"""Seconds between two looks for spans, where fewer than a batch wait."""
TRIES = 4
"""How often a batch is sent before it is given up for the next."""
BETWEEN_TRIES = Backoff(first=1.0, longest=30.0)
"""Pauses after failures."""
_AGAIN = frozenset({429, 502, 503, 504})
"""Answers after which the same batch is sent again, by OTLP's rules."""


class _Attempt(NamedTuple):
    """What became of an attempt to send a batch.

    Attributes:
        reason: Why it was not taken; None where it was.
        again: Whether another attempt may do better.
        pause: Seconds to wait before it at least.
    """

    reason: str | None = None
    again: bool = False
    pause: float = 0.0


class Exporter:
    """Sends spans to a collector.

    Args:
        collector: Where they go.
        encoder: Writes them.
        most: Spans that may wait.
        timeout: Seconds within which a request is answered.
        store: Where they are counted.
    """

    def __init__(
        self, collector: Collector, encoder: Encoder, most: int, timeout: float, store: Store
    ) -> None:
        self._collector = collector
        self._encoder = encoder
        self._most = most
        self._timeout = timeout
        self._store = store
        self._queue: deque[Span] = deque()
        self._loop = asyncio.get_running_loop()
        self._wake = threading.Event()
        self._ending = threading.Event()
        self._until = math.inf
        self._failures = 0
        self._under_way = 0
        self._given_up = False
        for outcome in families.SPAN_OUTCOMES:
            # From here on a series is written by one thread alone, and none is made.
            store.add(families.SPANS, 0, outcome)
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self._thread.start()

    def record(self, span: Span) -> None:
        """Take a span that has ended, or leave it out where too many wait."""
        waiting = len(self._queue)
        if waiting >= self._most:
            self._store.add(families.SPANS, 1, "left out")
            return
        self._queue.append(span)
        if waiting + 1 == BATCH:
            self._wake.set()

    async def close(self, seconds: float) -> None:
        """Send what waits, for so many seconds at most; what is left then is lost, and told of."""
        self._until = time.monotonic() + seconds
        self._ending.set()
        self._wake.set()
        await asyncio.to_thread(self._thread.join, seconds)
        if self._thread.is_alive():
            self._collector.close()
        lost = self._under_way + len(self._queue)
        if lost:
            self._store.add(families.SPANS, lost, "left behind")
            log.traces_left_behind(spans=lost)

    # In the thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        ending = False
        while not ending:
            self._wake.wait(INTERVAL)
            self._wake.clear()
            ending = self._ending.is_set()
            while self._queue and not self._given_up:
                most = min(BATCH, len(self._queue))
                self._send([self._queue.popleft() for _ in range(most)])
        self._collector.close()

    def _send(self, batch: list[Span]) -> None:
        """Send a batch until it is taken, refused, or was sent often enough."""
        self._under_way = len(batch)
        for left in reversed(range(TRIES)):
            attempt = self._attempt(batch)
            if attempt.reason is None:
                break
            self._fail(attempt.reason)
            if self._ending.is_set() and attempt.again:
                self._given_up = True  # and what is under way is left behind, with the rest
                return
            if not (attempt.again and left):
                outcome = "failed" if attempt.again else "refused"
                self._store.add(families.SPANS, len(batch), outcome)
                break
            self._ending.wait(max(attempt.pause, BETWEEN_TRIES.pause(self._failures)))
        self._under_way = 0

    def _attempt(self, batch: list[Span]) -> _Attempt:
        """Send a batch once."""
        until = min(time.monotonic() + self._timeout, self._until)
        try:
            answer = self._collector.send(self._encoder.encode(batch), until)
        except OSError as error:
            return _Attempt(str(error) or type(error).__name__, again=True)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next batch may do better
            return _Attempt(f"{type(error).__name__}: {error}")
        if answer.status == HTTPStatus.OK:
            self._succeed(batch, answer)
            return _Attempt()
        pause = min(answer.retry_after or 0.0, BETWEEN_TRIES.longest)
        return _Attempt(f"HTTP {answer.status}", again=answer.status in _AGAIN, pause=pause)

    def _succeed(self, batch: list[Span], answer: Answer) -> None:
        rejected = 0
        with suppress(DecodeError):  # some answer with a word
            rejected = min(rejected_in(answer.body), len(batch))
        self._store.add(families.SPANS, len(batch) - rejected, "sent")
        if rejected:
            self._store.add(families.SPANS, rejected, "refused")
            self._fail(f"{rejected} of {len(batch)} spans were rejected")
        elif self._failures:
            self._failures = 0
            self._tell(log.traces_exported_again)

    def _fail(self, reason: str) -> None:
        self._failures += 1
        if self._failures == 1:
            told = partial(log.traces_not_exported, address=self._collector.address, reason=reason)
            self._tell(told)

    def _tell(self, event: Callable[[], None]) -> None:
        """Log from the loop's own thread, as everything is."""
        with suppress(RuntimeError):  # it has ended
            self._loop.call_soon_threadsafe(event, context=Context())
