"""Clients are killed in the middle of their requests, many at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from chaos.fault import Fault, Scene

CROWD = Path(__file__).parent.parent / "crowd.py"


class ClientsKilled(Fault):
    name = "clients killed mid-request"
    weight = 6
    short = True

    def inject(self, scene: Scene) -> int:
        count = scene.random.randrange(16, 80)
        rounds = scene.random.randrange(1, 6)
        for _ in range(rounds):
            command = [sys.executable, "-IS", str(CROWD), str(scene.stage.daemon.port), str(count),
                       str(scene.random.randrange(2**31))]  # fmt: skip
            with subprocess.Popen(command, stdout=subprocess.PIPE) as crowd:
                assert crowd.stdout is not None
                crowd.stdout.readline()
                scene.last(0.0, 0.2)
                crowd.kill()
        return count * rounds
