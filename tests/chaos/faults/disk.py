"""PostgreSQL's disk is full for a while."""

from __future__ import annotations

from chaos.fault import Fault, Scene
from chaos.servers import SmallDisk


class DiskFull(Fault):
    name = "disk full"
    stages = frozenset({"single"})
    weight = 3

    def inject(self, scene: Scene) -> int:
        server = scene.stage.server
        assert isinstance(server, SmallDisk)
        if not server.mounted:
            return 0
        try:
            server.fill()
            scene.last(1.0, 5.0)
        finally:
            server.empty()
        if not server.running:  # no room for its log: it ends, and an operator starts it again
            server.start()
        return 1
