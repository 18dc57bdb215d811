"""The service's processes may open no more files, while more clients come than that."""

from __future__ import annotations

import resource
import socket
from contextlib import ExitStack, suppress
from pathlib import Path

from chaos.fault import Fault, Scene
from chaos.faults.hostile import BODIES, PLACES, answer, heavy_request, unexpected

CLIENTS = 60
LARGE = 3
"""Clients that are there before, and send a large body then."""


class DescriptorsExhausted(Fault):
    name = "file descriptors exhausted"
    weight = 3

    def inject(self, scene: Scene) -> int:
        stage = scene.stage
        address = ("127.0.0.1", stage.daemon.port)
        sent = heavy_request(PLACES[0], BODIES["a long list of empty objects"], 200_000)
        pids = [pid for pid in stage.api_pids() if pid]
        limits = {pid: resource.prlimit(pid, resource.RLIMIT_NOFILE) for pid in pids}
        with ExitStack() as held:
            early = [
                held.enter_context(socket.create_connection(address, timeout=15))
                for _ in range(LARGE)
            ]
            for one in early:  # so that they have been accepted
                one.sendall(b"GET /live HTTP/1.1\r\nhost: t\r\n\r\n")
                answer(one)
            for pid, limit in limits.items():
                most = max(int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir())
                room = scene.random.randrange(1, 12)
                resource.prlimit(pid, resource.RLIMIT_NOFILE, (most + 1 + room, limit[1]))
            for _ in range(CLIENTS):
                one = held.enter_context(socket.socket())
                one.settimeout(1)
                with suppress(OSError):
                    one.connect(address)
                    one.sendall(b"GET /health_check HTTP/1.1\r\n")
            for one in early:
                with suppress(BrokenPipeError, ConnectionResetError):
                    one.sendall(sent)
                if words := unexpected(*answer(one)):
                    scene.history.broken(f"a large body without a descriptor left: {words}")
            scene.last(0.5, 3.0)
        for pid, limit in limits.items():
            with suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_NOFILE, limit)
        return len(pids)
