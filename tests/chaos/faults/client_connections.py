"""Something between clients and the service cuts, closes, half closes, delays and swallows."""

from __future__ import annotations

from chaos.fault import Fault, Scene
from chaos.proxy import KINDS


class ClientConnections(Fault):
    name = "client connections cut, delayed, swallowed"
    weight = 10
    short = True

    def inject(self, scene: Scene) -> int:
        proxy = scene.stage.front
        before = proxy.met.total()
        proxy.begin(KINDS, reach=scene.random.choice((500, 3_000, 20_000)))
        scene.last(1.0, 4.0)
        proxy.stop()
        return proxy.met.total() - before
