"""The service's own processes are killed."""

from __future__ import annotations

import os
import signal

from chaos.fault import Fault, Scene
from waiting import wait_for

REPLACED_SECONDS = 60.0
"""Beyond supervision.ready_timeout: one that stands still before it is ready is given that long."""
CHILDREN = ("api:api_00", "api:api_01", "worker:worker_00")


def living(scene: Scene, name: str) -> int:
    """Return the pid of a child, as soon as it has one."""
    return wait_for(lambda: scene.stage.daemon.pid_of(name), what=f"a pid of {name}")


def replaced(scene: Scene, name: str, pid: int) -> None:
    """Wait until a child has another process."""
    daemon = scene.stage.daemon
    wait_for(
        lambda: daemon.pid_of(name) not in {0, pid},
        seconds=REPLACED_SECONDS,
        what=f"{name} to come back",
    )


class ChildKilled(Fault):
    name = "child killed"
    weight = 6
    short = True

    def inject(self, scene: Scene) -> int:
        names = scene.random.sample(CHILDREN, scene.random.randrange(1, len(CHILDREN) + 1))
        pids = {name: living(scene, name) for name in names}
        for pid in pids.values():
            os.kill(pid, signal.SIGKILL)
        for name, pid in pids.items():
            replaced(scene, name, pid)
        return len(pids)


class MainKilled(Fault):
    name = "main killed"
    weight = 2

    def inject(self, scene: Scene) -> int:
        daemon = scene.stage.daemon
        daemon.kill()
        scene.last(0.0, 1.0)
        daemon.start()
        return 1
