"""Opening a connection where a database has several addresses: they are tried side by side.

psycopg and libpq try one after the other, each for the whole `connect_timeout`: a first one that
takes connections and says nothing costs every attempt that time. Here the next one is begun when
the one before has failed, or has said nothing for `HEAD_START`; the first that answers is taken,
and the others are given up.
"""

from __future__ import annotations

import asyncio
import random
import selectors
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

import psycopg
from psycopg import generators
from psycopg.conninfo import (
    conninfo_attempts,
    conninfo_attempts_async,
    conninfo_to_dict,
    make_conninfo,
    timeout_from_conninfo,
)

from autogpt_db.database.causes import ANOTHER, refuses

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from psycopg.abc import ConnDict, PQGenConn
    from psycopg.pq.abc import PGconn

HEAD_START = 0.25
"""Seconds that an address has for itself before the next one is tried beside it."""

_Connection = TypeVar("_Connection", bound="psycopg.AsyncConnection[Any]")


class Hosts:
    """The hosts of a database, and which of them answered last.

    Args:
        conninfo: libpq's connection string.
    """

    def __init__(self, conninfo: str) -> None:
        self._hosts = each_host(conninfo)
        self._answered = 0

    async def connect(
        self, open_one: Callable[..., Awaitable[_Connection]], **given: Any
    ) -> _Connection:
        """Return a connection to the first address that answers.

        Args:
            open_one: psycopg's `connect`, for a connection string with one address.
            given: What else it takes.

        Raises:
            psycopg.OperationalError: None answered; it names the failure of each.
        """
        order = list(range(len(self._hosts)))
        if self._hosts[0].get("load_balance_hosts") == "random":
            random.shuffle(order)
        else:
            # The one that served us last first: the others cost time, or are no primaries.
            order.sort(key=lambda index: index != self._answered)
        openings = [partial(_open, self._hosts[index], open_one, given) for index in order]
        which, connection = await _first(openings)
        self._answered = order[which]
        return connection


def each_host(conninfo: str) -> list[ConnDict]:
    """Return a connection string's parameters, once for each host that it names."""
    parameters = conninfo_to_dict(conninfo)
    lists = {
        word: str(parameters[word]).split(",")
        for word in ("host", "hostaddr", "port")
        if parameters.get(word)
    }
    count = max((len(lists.get(word, ())) for word in ("host", "hostaddr")), default=0)
    if count < 2 or any(len(values) not in {1, count} for values in lists.values()):  # noqa: PLR2004 - more than one
        return [parameters]  # psycopg says what is wrong with the others
    return [
        parameters | {word: values[index % len(values)] for word, values in lists.items()}
        for index in range(count)
    ]


def name_of(parameters: ConnDict) -> str:
    """Return what people call one host: `db.example:5432`, or the socket's directory."""
    host = str(parameters.get("host") or parameters.get("hostaddr") or "localhost")
    return host if host.startswith("/") else f"{host}:{parameters.get('port') or 5432}"


async def _open(
    host: ConnDict, open_one: Callable[..., Awaitable[_Connection]], given: dict[str, Any]
) -> _Connection:
    """Return a connection to one host, whichever of its addresses answers first."""
    try:
        async with asyncio.timeout(timeout_from_conninfo(host)):
            addresses = await conninfo_attempts_async(host)
    except TimeoutError:
        raise psycopg.OperationalError(
            f"could not translate host name {host.get('host')!r}: timeout expired"
        ) from None
    _, connection = await _first(
        [partial(open_one, make_conninfo("", **address), **given) for address in addresses]
    )
    return connection


async def _first(
    openings: Sequence[Callable[[], Awaitable[_Connection]]],
) -> tuple[int, _Connection]:
    """Return the first connection that comes, and which opening it is of."""
    if len(openings) == 1:
        return 0, await openings[0]()
    waiting = deque(enumerate(openings))
    running: dict[asyncio.Task[_Connection], int] = {}
    failures: list[Exception] = []
    try:
        while waiting or running:
            if waiting:
                which, opening = waiting.popleft()
                running[asyncio.ensure_future(opening())] = which
            done, _ = await asyncio.wait(
                running,
                timeout=HEAD_START if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in done:
                if (error := task.exception()) is None:
                    return running.pop(task), task.result()
                running.pop(task)
                if not isinstance(error, psycopg.Error | OSError):
                    raise error
                failures.append(error)
        raise _all(failures)
    finally:
        for task in running:
            task.cancel()
        for outcome in await asyncio.gather(*running, return_exceptions=True):
            if isinstance(outcome, psycopg.AsyncConnection):
                outcome.pgconn.finish()  # it came a moment too late


def connect(conninfo: str) -> psycopg.Connection[tuple[Any, ...]]:
    """Return a connection in autocommit mode to the first address that answers.

    Neither a thread nor an event loop is left of it: main forks later.

    Args:
        conninfo: libpq's connection string.

    Raises:
        psycopg.OperationalError: None answered; it names the failure of each.
    """
    addresses: list[ConnDict] = []
    failures: list[Exception] = []
    for host in each_host(conninfo):
        try:
            addresses += conninfo_attempts(host)
        except psycopg.OperationalError as error:
            failures.append(error)
    if len(addresses) == 1 and not failures:
        return psycopg.connect(
            make_conninfo("", **addresses[0]), autocommit=True, prepare_threshold=None
        )
    with _Race(addresses, failures) as race:
        connection = psycopg.Connection(race.run())
    connection.autocommit = True
    connection.prepare_threshold = None
    return connection


_SILENT = psycopg.errors.ConnectionTimeout("connection timeout expired")


class _Attempt(NamedTuple):
    generator: PQGenConn[PGconn]
    deadline: float


class _Race:
    """Attempts that are under way side by side, without an event loop.

    Args:
        addresses: One connection's parameters each.
        failures: What has failed already.
    """

    def __init__(self, addresses: Sequence[ConnDict], failures: list[Exception]) -> None:
        self._addresses = deque(addresses)
        self._failures = failures
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for key in list(self._selector.get_map().values()):
            key.data.generator.close()
        self._selector.close()

    def run(self) -> PGconn:
        """Return the first connection that comes."""
        found: PGconn | None = None
        while self._addresses or self._selector.get_map():
            if self._addresses:
                found = self._begin(self._addresses.popleft())
            patience = time.monotonic() + HEAD_START
            while found is None and self._selector.get_map():
                left = patience - time.monotonic()
                if self._addresses and left <= 0:
                    break
                failed = len(self._failures)
                found = self._wait(min(left, HEAD_START) if self._addresses else HEAD_START)
                if len(self._failures) > failed and self._addresses:
                    break
            if found is not None:
                return found
        raise _all(self._failures)

    def _begin(self, address: ConnDict) -> PGconn | None:
        deadline = time.monotonic() + timeout_from_conninfo(address)
        generator = generators.connect(make_conninfo("", **address))
        return self._step(_Attempt(generator, deadline), None)

    def _wait(self, seconds: float) -> PGconn | None:
        for key, events in self._selector.select(max(0.0, seconds)):
            self._selector.unregister(key.fileobj)  # the next step may be on another one
            found = self._step(key.data, events)
            if found is not None:
                return found
        for key in list(self._selector.get_map().values()):
            if key.data.deadline <= time.monotonic():
                self._selector.unregister(key.fileobj)
                key.data.generator.close()
                self._failures.append(_SILENT)
        return None

    def _step(self, attempt: _Attempt, events: int | None) -> PGconn | None:
        try:
            if events is None:
                descriptor, wait = next(attempt.generator)
            else:
                descriptor, wait = attempt.generator.send(events)
        except StopIteration as end:
            found: PGconn = end.value
            return found
        except psycopg.Error as error:
            self._failures.append(error)
        else:
            self._selector.register(descriptor, int(wait), attempt)
        return None


def _all(failures: Sequence[Exception]) -> Exception:
    """Return one failure for all: that of who said most, with the others in further lines."""
    if len(failures) == 1:
        return failures[0]
    # Who answers knows more than who cannot be reached, and a timeout knows nothing.
    told = max(
        failures,
        key=lambda error: (
            "FATAL" in str(error),
            refuses(str(error)),
            not isinstance(error, psycopg.errors.ConnectionTimeout),
        ),
    )
    others = (f"{ANOTHER}{_line(error)}" for error in failures if error is not told)
    lines = [_line(told), *others]
    return psycopg.OperationalError("\n".join(lines))


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
