"""The service's processes may open no more files, while more clients come than that."""

from __future__ import annotations

import resource
import socket
from contextlib import ExitStack, suppress
from pathlib import Path

from chaos.fault import Fault, Scene


class DescriptorsExhausted(Fault):
    name = "file descriptors exhausted"
    weight = 3

    def inject(self, scene: Scene) -> int:
        stage = scene.stage
        pids = [pid for pid in stage.api_pids() if pid]
        room = scene.random.randrange(2, 12)
        limits = {}
        for pid in pids:
            limits[pid] = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            most = max(map(int, (entry.name for entry in Path(f"/proc/{pid}/fd").iterdir())))
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (most + 1 + room, limits[pid][1]))
        with ExitStack() as held:
            for _ in range(60):
                one = held.enter_context(socket.socket())
                one.settimeout(1)
                with suppress(OSError):
                    one.connect(("127.0.0.1", stage.daemon.port))
                    one.sendall(b"GET /health_check HTTP/1.1\r\n")
            scene.last(0.5, 3.0)
        for pid, limit in limits.items():
            with suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_NOFILE, limit)
        return len(pids)
