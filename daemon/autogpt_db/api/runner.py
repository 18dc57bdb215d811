"""One API process from start to stop."""

from __future__ import annotations

import asyncio
import resource
import signal
from contextlib import aclosing, nullcontext
from typing import TYPE_CHECKING, Any, NoReturn

import uvloop

from autogpt_db.api.accepting import Acceptor
from autogpt_db.api.app import PATHS, build_app
from autogpt_db.api.bodies import Bodies
from autogpt_db.api.calls import Policy
from autogpt_db.api.expiry import expire_forever, falls_to_api
from autogpt_db.api.idempotency import KeyedCalls
from autogpt_db.api.listeners import listening_sockets
from autogpt_db.api.loop_watch import LoopWatch
from autogpt_db.api.memory import map_large_blocks
from autogpt_db.api.metrics import Metrics
from autogpt_db.api.request_log import RequestLog
from autogpt_db.api.rpc import HEALTH_PATHS, Rpc
from autogpt_db.api.running import Running, State
from autogpt_db.api.server import Server
from autogpt_db.api.serving import Serving
from autogpt_db.api.unknown import UnknownArguments
from autogpt_db.api.unread import UnreadReplies
from autogpt_db.database.pool import Call, Pool
from autogpt_db.database.pool.key_holders import SESSIONS, KeyHolder
from autogpt_db.database.url import database_url, direct_database_url
from autogpt_db.errors import EXIT_STOPPED
from autogpt_db.heartbeat import Heartbeat
from autogpt_db.helpers import Helpers
from autogpt_db.lifecycle import allow_many_files, stop_on_signals
from autogpt_db.listening import address_of
from autogpt_db.live_events.trimming import trim_forever
from autogpt_db.loading import loading
from autogpt_db.logs.events import api as log
from autogpt_db.metrics import RequestCounters, open_store
from autogpt_db.metrics.publishing import publish_forever
from autogpt_db.operations import background, served_operations
from autogpt_db.traces import LAST_WORDS, open_tracer

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from autogpt_db.api.fallback import Fallback
    from autogpt_db.metrics import Store
    from autogpt_db.operations import Operation
    from autogpt_db.settings import Settings

LEASE_MARGIN = 10.0
"""Seconds after a call's deadline and the time of a statement by which its connection is back."""
FULL_POOL_WAIT = 5.0
"""Seconds that the start waits for the pool; without a database the process serves 503."""


def run_api(settings: Settings) -> int:
    """Run one API process until SIGTERM or SIGINT; a second one hastens the stop.

    Args:
        settings: The effective settings.

    Returns:
        Exit code 0. An outage of PostgreSQL, however long, does not end the process.

    Raises:
        ResourceTakenError: Another process listens at the address.
        ConfigurationError: Nobody can listen there.
    """
    with stop_on_signals():
        allow_many_files()
        map_large_blocks()
        with loading():
            operations = served_operations()
        listeners = listening_sockets(settings.api)
        uvloop.run(_serve(settings, operations, listeners))
    # The end has begun: one more signal must not turn it into a death by signal.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    return EXIT_STOPPED


async def _serve(
    settings: Settings,
    operations: Mapping[str, Operation],
    listeners: Sequence[socket.socket],
) -> None:
    store = open_store(settings)
    helpers = Helpers(settings.api.helper_memory)
    async with (
        aclosing(helpers),
        Pool.open(
            settings,
            name=SESSIONS,
            helpers=helpers,
            longest_lease=settings.api.request_deadline
            + settings.database.statement_timeout
            + LEASE_MARGIN,
        ) as database,
        _open_fallback(settings, store) as fallback,
    ):
        request_log = RequestLog(settings.logging, RequestCounters(store, _countable(operations)))
        tracer = open_tracer(settings.traces, store)
        policy = Policy(settings.api.request_deadline, request_log, tracer)
        serving = Serving(
            operations, database.knowledge, database.url.schema, told=_proven_as_we_are(settings)
        )
        bodies = Bodies(settings, helpers, store, database.knowledge)
        running = Running(bodies.memory)
        unread = UnreadReplies(settings.api.memory_limit, store)
        state = State(settings.api, bodies.memory, unread, running)
        metrics = Metrics(database, settings, state, store, helpers)

        def lacking() -> str | None:
            # What is passed on lacks nothing to its callers.
            return serving.run_path_lacks if fallback is None else None

        others = build_app(database, operations, state, metrics, lacking)
        keyed = KeyedCalls(database, settings, store)
        rpc = Rpc(
            database,
            serving,
            settings,
            policy,
            keyed,
            bodies,
            running,
            others,
            PATHS,
            fallback,
            arguments=UnknownArguments(store),
        )

        def accepting(
            listeners: Sequence[socket.socket], protocol: Callable[[], asyncio.Protocol]
        ) -> Acceptor:
            return Acceptor(
                listeners,
                protocol,
                lambda: len(state.connections),
                most_files=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
                own_files=settings.api_files,
                store=store,
                reluctant=lambda: not database.able,
            )

        server = Server(state, rpc, accepting)
        server.handle_signals()
        heartbeat = Heartbeat(settings.paths.runtime)
        beating = asyncio.create_task(
            heartbeat.beat_forever(
                database.figures, schema=serving.summary, able=lambda: database.able
            ),
            name="heartbeat",
        )
        holder = KeyHolder(settings.integrations)

        def for_keys(deadline: float) -> Call:
            return database.call("key_holder", reads=False, deadline=deadline, urgent=True)

        holding = asyncio.create_task(holder.hold_forever(for_keys), name="keys")
        keeping_up = asyncio.create_task(database.keep_up(), name="schema")
        publishing = asyncio.create_task(publish_forever(metrics.publish), name="metrics")
        watching = asyncio.create_task(LoopWatch(store).watch_forever(), name="loop-watch")
        deleting: list[asyncio.Task[NoReturn]] = []
        try:
            await _first_of(database.wait(FULL_POOL_WAIT), server.stopping.wait())

            def started() -> None:
                log.listening(
                    address=" ".join(address_of(listener) for listener in listeners),
                    methods=len(serving.methods),
                    connections=database.figures().size,
                )
                heartbeat.up(able=database.able)

            deleting = _start_deleting(settings, database)
            server.when_started = started
            await server.serve(listeners)
            await background.drain(server.seconds_left, server.hastened)
        finally:
            beating.cancel()
            keeping_up.cancel()
            holding.cancel()
            publishing.cancel()
            watching.cancel()
            for task in deleting:
                task.cancel()
            request_log.flush()
            await holder.let_go(for_keys)
            await metrics.close()
            if tracer is not None:
                await tracer.close(0.0 if server.hastened.is_set() else LAST_WORDS)


def _start_deleting(settings: Settings, database: Pool) -> list[asyncio.Task[NoReturn]]:
    """Start deleting what would pile up, as far as it falls to API processes; return the tasks."""
    tasks = []
    if falls_to_api(settings):
        expiring = expire_forever(database, settings.idempotency.keep)
        tasks.append(asyncio.create_task(expiring, name="expiry"))
    if settings.events.enabled:
        trimming = trim_forever(database, settings.events)
        tasks.append(asyncio.create_task(trimming, name="trimming"))
    return tasks


def _proven_as_we_are(settings: Settings) -> bool:
    """Tell whether main has looked at the database over the same connection string."""
    return database_url(settings) == direct_database_url(settings)


def _countable(operations: Mapping[str, Operation]) -> set[str]:
    """Return the requests that are counted by name."""
    asked = {f"{verb} {path}" for verb in ("GET", "HEAD") for path in PATHS}
    return asked | {path.lstrip("/") for path in HEALTH_PATHS} | operations.keys()


def _open_fallback(
    settings: Settings, store: Store
) -> AbstractAsyncContextManager[Fallback | None]:
    """Return what passes unknown methods on, if they are to be."""
    if settings.api.fallback_url is None:
        return nullcontext()
    # httpx costs memory and start-up time that only this needs.
    from autogpt_db.api.fallback import Fallback

    return Fallback(settings.api, store)


async def _first_of(*waits: Coroutine[Any, Any, object]) -> None:
    tasks = [asyncio.create_task(wait) for wait in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
