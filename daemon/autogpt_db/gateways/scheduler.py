"""AutoGPT's scheduler, asked when graphs run next; only where its address is set.

It never stands in an answer's way: it is asked by few at once and for a second, and after a failure
by nobody for a while. Who gets nothing from it takes for granted that nothing is scheduled, as
AutoGPT does.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import importlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from autogpt_db.backoff import Backoff
from autogpt_db.gateways.circuit_breaker import CircuitBreaker
from autogpt_db.gateways.failures import failed
from autogpt_db.logs.events import methods as log

if TYPE_CHECKING:
    import httpx

    from autogpt_db.settings import Settings

MOST_AT_ONCE = 4
"""Calls that ask at once, in each process; one more is answered without asking."""
LARGEST_REPLY = 1024 * 1024
"""Bytes of a reply that are read; a larger one counts as none."""
LONGEST_MOMENT = 64
"""Characters of a moment's text."""
LONGEST_REASON = 200
"""Characters that the log has of what was wrong with a reply."""
BETWEEN_FAILURES = Backoff(first=10.0, longest=300.0)
"""Seconds in which nobody asks after it has failed."""


class _Schedule(msgspec.Struct):
    """What matters of a schedule; what isn't text is passed over."""

    graph_id: Any = None
    next_run_time: Any = None


_decode = msgspec.json.Decoder(list[_Schedule]).decode


class _ReplyUnusableError(Exception):
    """The scheduler answered otherwise than with its schedules; the message says how."""


async def next_runs(
    settings: Settings, user_id: str, graph_id: str | None = None
) -> dict[str, str]:
    """Return when graphs run next by a user's schedules: the moments as the scheduler writes them.

    Args:
        settings: Where the scheduler is.
        user_id: Whose schedules.
        graph_id: Only those of this graph.

    Returns:
        By graph; nothing where no scheduler is set, or it doesn't answer in time.
    """
    options = settings.library
    if options.scheduler_url is None:
        return {}
    return await scheduler(options.scheduler_url, options.scheduler_timeout).ask(user_id, graph_id)


class Scheduler:
    """One scheduler, and how it has done of late.

    Args:
        url: Its address, without a method.
        timeout: Seconds that its answer may take.
    """

    def __init__(self, url: str, timeout: float) -> None:
        self._url = f"{url.rstrip('/')}/get_graph_execution_schedules"
        self._timeout = timeout
        self._client: httpx.AsyncClient | None = None
        self._under_way = 0
        self._breaker = CircuitBreaker(BETWEEN_FAILURES)

    async def ask(self, user_id: str, graph_id: str | None) -> dict[str, str]:
        """Return when graphs run next, by graph; nothing where that cannot be had at once."""
        if self._under_way >= MOST_AT_ONCE or self._breaker.open:
            return {}
        self._under_way += 1  # at once: whoever comes meanwhile must see it
        try:
            return await self._asked(user_id, graph_id)
        finally:
            self._under_way -= 1

    async def _asked(self, user_id: str, graph_id: str | None) -> dict[str, str]:
        # Beside the loop, where it is used: it takes a while and many megabytes.
        library = await asyncio.to_thread(importlib.import_module, "httpx")
        body = msgspec.json.encode({"graph_id": graph_id, "user_id": user_id})
        try:
            async with asyncio.timeout(self._timeout):
                reply = await self._reply(library, body)
            found = earliest(_decode(reply))
        except TimeoutError:
            self._failed(f"no whole answer within {self._timeout:g} seconds")
            return {}
        except (
            library.HTTPError,
            library.InvalidURL,
            msgspec.MsgspecError,
            OSError,
            _ReplyUnusableError,
        ) as error:
            words = str(error)[:LONGEST_REASON]  # it may quote what came
            self._failed(f"{type(error).__name__.lstrip('_')}: {words}")
            return {}
        self._breaker.answered()
        return found

    async def _reply(self, library: Any, body: bytes) -> bytes:
        """Return the reply's bytes.

        Raises:
            _ReplyUnusableError: Its status is another than 200, or it is too large.
        """
        if self._client is None:
            self._client = library.AsyncClient(
                # A connection for each: nobody asks often, and none is stale.
                limits=library.Limits(max_connections=MOST_AT_ONCE, max_keepalive_connections=0),
                timeout=self._timeout,
                trust_env=False,  # a proxy for the world is none for AutoGPT's own containers
            )
        headers = {"content-type": "application/json", "accept-encoding": "identity"}
        request = self._client.stream("POST", self._url, content=body, headers=headers)
        found = bytearray()
        async with request as response:
            if response.status_code != library.codes.OK:
                raise _ReplyUnusableError(f"status {response.status_code}")
            async for part in response.aiter_raw():
                found += part
                if len(found) > LARGEST_REPLY:
                    raise _ReplyUnusableError(f"more than {LARGEST_REPLY} bytes")
        return bytes(found)

    def _failed(self, reason: str) -> None:
        """Leave it alone for a while, and say so once for all who were asking."""
        failed("scheduler")
        pause = self._breaker.failed()
        if pause is not None:
            log.schedules_unknown(reason=reason, pause=round(pause, 1))


@lru_cache(maxsize=1)
def scheduler(url: str, timeout: float) -> Scheduler:
    """Return this process's memory of a scheduler."""
    return Scheduler(url, timeout)


def earliest(schedules: list[_Schedule]) -> dict[str, str]:
    """Return by graph the earliest moment that one of its schedules names, as it is written.

    Args:
        schedules: In any order; a moment without an offset is UTC, and one that cannot be read is
            passed over.
    """
    found: dict[str, tuple[dt.datetime, str]] = {}
    for schedule in schedules:
        graph_id, text = schedule.graph_id, schedule.next_run_time
        if not isinstance(graph_id, str) or not isinstance(text, str):
            continue
        moment = _moment(text)
        if moment is not None and (graph_id not in found or moment < found[graph_id][0]):
            found[graph_id] = moment, text
    return {graph_id: text for graph_id, (_, text) in found.items()}


def _moment(text: str) -> dt.datetime | None:
    if len(text) > LONGEST_MOMENT:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
        return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None
