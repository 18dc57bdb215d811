"""One admin process from start to stop."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import msgspec
import uvloop

from autogpt_db.admin.app import all_tasks, build_app
from autogpt_db.admin.server import Server
from autogpt_db.admin.state import PATIENCE, AdminState
from autogpt_db.admin.tokens import TokensInEffect
from autogpt_db.database.pool import Pool
from autogpt_db.database.pool.metrics import PoolMetrics
from autogpt_db.database.pool.scraping import Scraping
from autogpt_db.errors import EXIT_STOPPED
from autogpt_db.heartbeat import Heartbeat
from autogpt_db.lifecycle import allow_many_files, stop_on_signals
from autogpt_db.listening import address_of, open_listeners
from autogpt_db.logs.events import admin as log
from autogpt_db.metrics import open_store
from autogpt_db.metrics.publishing import publish_forever
from autogpt_db.settings.admin import CONNECTIONS

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from autogpt_db.settings import Settings

SESSIONS = "autogpt-db admin"
"""What its sessions are called in `pg_stat_activity`."""


def run_admin(settings: Settings) -> int:
    """Run the admin listener until SIGTERM or SIGINT; a second one hastens the stop.

    Args:
        settings: The effective settings.

    Returns:
        Exit code 0. An outage of PostgreSQL, however long, does not end the process.

    Raises:
        ResourceTakenError: Another process listens at the address.
        ConfigurationError: Nobody can listen there, or the tokens cannot be made.
    """
    with stop_on_signals():
        allow_many_files()
        tokens = TokensInEffect(settings)
        listeners = open_listeners(settings.admin.host, settings.admin.port, section="admin")
        uvloop.run(_serve(_hurried(settings), tokens, listeners))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # the end has begun
    return EXIT_STOPPED


async def _serve(
    settings: Settings, tokens: TokensInEffect, listeners: Sequence[socket.socket]
) -> None:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    async with Pool.open(settings, name=SESSIONS, size=CONNECTIONS) as pool:
        store = open_store(settings, "admin")
        scraping = Scraping(pool, settings, store)
        state = AdminState(settings, pool, store, scraping, tokens, stopping)
        server = Server(build_app(state))

        def stop() -> None:
            stopping.set()
            server.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        heartbeat = Heartbeat(settings.paths.runtime)
        tasks = [
            asyncio.create_task(work)
            for work in (
                heartbeat.beat_forever(pool.figures),
                pool.keep_up(),
                publish_forever(PoolMetrics(pool, store).publish),
                *all_tasks(state),
            )
        ]
        try:
            heartbeat.up()
            log.admin_listening(address=" ".join(address_of(each) for each in listeners))
            await server.serve_on(listeners)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await scraping.close()
    log.admin_stopped()


def _hurried(settings: Settings) -> Settings:
    """Return the settings with shorter patience: nothing here may hold the database for long."""
    database = settings.database
    return msgspec.structs.replace(
        settings,
        database=msgspec.structs.replace(
            database,
            statement_timeout=min(database.statement_timeout, PATIENCE),
            pool_timeout=min(database.pool_timeout, PATIENCE),
        ),
    )
