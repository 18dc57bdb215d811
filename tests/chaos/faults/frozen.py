"""The service's own processes stand still: shortly, or until they are replaced."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from chaos.fault import Fault, Scene
from chaos.faults.killed import CHILDREN, living, replaced


class ChildFrozen(Fault):
    name = "child frozen"
    short = True

    def inject(self, scene: Scene) -> int:
        name = scene.random.choice(CHILDREN)
        pid = living(scene, name)
        os.kill(pid, signal.SIGSTOP)
        if scene.random.random() < 0.5:
            scene.last(0.1, 1.5)  # less than a heartbeat may be late
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        else:
            replaced(scene, name, pid)
        return 1


class MainFrozen(Fault):
    name = "main frozen"

    def inject(self, scene: Scene) -> int:
        process = scene.stage.daemon.process
        assert process is not None
        before = scene.history.acknowledged()
        process.send_signal(signal.SIGSTOP)
        scene.last(0.5, 4.0)
        served = scene.history.acknowledged() - before
        process.send_signal(signal.SIGCONT)
        if not served:
            scene.history.broken("nobody was served while main stood still")
        return 1
