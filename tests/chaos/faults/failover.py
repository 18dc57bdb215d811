"""The primary dies, or is demoted in peace, and its synchronous standby takes over."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from chaos.fault import Fault, Scene
from chaos.faults.sessions import storm
from chaos.stages import Paired
from waiting import PATIENCE


class Failover(Fault):
    name = "failover to the synchronous standby"
    stages = frozenset({"pair"})
    weight = 6

    def inject(self, scene: Scene) -> int:
        assert isinstance(scene.stage, Paired)
        pair = scene.stage.pair
        pair.primary.stop(signal.SIGKILL if scene.random.random() < 0.5 else signal.SIGQUIT)
        scene.last(0.0, 2.0)
        pair.promote()
        pair.make_standby(fresh=True)
        return 1


class Demotion(Fault):
    name = "primary demoted, and still answering"
    stages = frozenset({"pair"})
    weight = 6

    def inject(self, scene: Scene) -> int:
        assert isinstance(scene.stage, Paired)
        pair = scene.stage.pair
        # First it only takes no more writes, on connections that are open; then it is a standby.
        pair.primary.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        pair.primary.execute("SELECT pg_reload_conf()")
        scene.last(0.2, 2.0)
        pair.primary.stop(signal.SIGINT)
        pair.promote()
        pair.make_standby(fresh=False)
        return 1


class StandbyCutOff(Fault):
    name = "standby cut off, then failover"
    stages = frozenset({"pair"})

    def inject(self, scene: Scene) -> int:
        assert isinstance(scene.stage, Paired)
        pair = scene.stage.pair
        pids = pair.standby.processes()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        # Commits wait for it. A wait that is cancelled ends as if the standby had the transaction.
        if scene.random.random() < 0.5:
            storm(scene, "pg_cancel_backend", share=0.0, pause=0.5)
        scene.last(0.5, 6.0)
        pair.primary.stop(signal.SIGQUIT)
        # What was on its way to the standby has not arrived.
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert pair.standby.process is not None
        pair.standby.process.wait(PATIENCE)
        pair.standby.start()
        pair.promote()
        pair.make_standby(fresh=True)
        return 1
