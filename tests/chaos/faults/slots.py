"""Others take all of PostgreSQL's connections."""

from __future__ import annotations

from contextlib import ExitStack, suppress

import psycopg

from chaos.fault import Fault, Scene
from chaos.faults.sessions import OTHERS
from chaos.servers import DATABASE, SETTINGS, CrashSafeServer


class SlotsExhausted(Fault):
    name = "connection slots exhausted"
    stages = frozenset({"single", "pair"})
    weight = 3

    def inject(self, scene: Scene) -> int:
        server = scene.stage.server
        with (
            psycopg.connect(server.url(DATABASE), autocommit=True) as connection,
            ExitStack() as held,
        ):
            self._take_all(server, held)
            # The service's own are ended, so that it meets the full house.
            connection.execute(OTHERS.format(function="pg_terminate_backend", share=1.0).encode())
            self._take_all(server, held)
            scene.last(1.0, 4.0)
        return 1

    def _take_all(self, server: CrashSafeServer, held: ExitStack) -> None:
        with suppress(psycopg.OperationalError):
            for _ in range(int(SETTINGS["max_connections"])):
                held.enter_context(psycopg.connect(server.url("postgres")))
