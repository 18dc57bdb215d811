"""PostgreSQL ends at once and comes back, or is frozen for a while."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from chaos.fault import Fault, Scene


class Crashed(Fault):
    name = "PostgreSQL crashed and restarted"
    short = True

    def inject(self, scene: Scene) -> int:
        server = scene.stage.server
        server.crash()
        scene.last(0.0, 3.0)
        server.start()
        return 1


class Frozen(Fault):
    name = "PostgreSQL frozen"
    stages = frozenset({"single", "pooled"})

    def inject(self, scene: Scene) -> int:
        pids = scene.stage.server.processes()
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        scene.last(0.2, 7.0)
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        return 1
