"""PgBouncer is killed and comes back."""

from __future__ import annotations

from chaos.fault import Fault, Scene
from chaos.stages import Pooled


class PoolerKilled(Fault):
    name = "PgBouncer killed"
    stages = frozenset({"pooled"})
    weight = 12

    def inject(self, scene: Scene) -> int:
        assert isinstance(scene.stage, Pooled)
        pgbouncer = scene.stage.pgbouncer
        pgbouncer.kill()
        scene.last(0.0, 2.0)
        pgbouncer.start()
        return 1
