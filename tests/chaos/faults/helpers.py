"""The processes that read large bodies are killed, or stand still, while they do."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

from chaos.fault import Fault, Scene
from chaos.faults.hostile import BODIES, PLACES, exchange, heavy_request, unexpected

LARGE = ("a long list of empty objects", "many members", "numbers")
SENDERS = 4


def helpers_of(pid: int) -> list[int]:
    """Return the pids of a process's helpers."""
    found = []
    with suppress(OSError):
        for child in map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
            with suppress(OSError):
                if b"helpers" in Path(f"/proc/{child}/cmdline").read_bytes():
                    found.append(child)
    return found


class HelpersKilled(Fault):
    name = "helpers killed and frozen"

    def inject(self, scene: Scene) -> int:
        stage = scene.stage
        requests = [
            heavy_request(
                scene.random.choice(PLACES),
                BODIES[scene.random.choice(LARGE)],
                scene.random.randrange(200_000, 800_000),
            )
            for _ in range(SENDERS)
        ]
        senders = [
            threading.Thread(target=self._send, args=(scene, sent), daemon=True)
            for sent in requests
        ]
        for sender in senders:
            sender.start()
        count = 0
        number = signal.SIGKILL if scene.random.random() < 0.7 else signal.SIGSTOP
        until = time.monotonic() + scene.random.uniform(1.0, 3.0)
        while time.monotonic() < until:
            for pid in stage.api_pids():
                for helper in helpers_of(pid):
                    with suppress(ProcessLookupError):
                        os.kill(helper, number)
                        count += 1
            time.sleep(scene.random.uniform(0.1, 0.5))
        for sender in senders:
            sender.join(60)
            if sender.is_alive():
                scene.history.broken("a large body got no answer within a minute")
        return count

    def _send(self, scene: Scene, sent: bytes) -> None:
        status, head = exchange(scene.stage.daemon.port, sent)
        if words := unexpected(status, head):
            scene.history.broken(f"a large body whose helper was ended: {words}")
