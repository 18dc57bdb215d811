"""Something between the service and PostgreSQL cuts, closes, half closes, delays and swallows."""

from __future__ import annotations

from chaos.fault import Fault, Scene
from chaos.proxy import KINDS


class DatabaseConnections(Fault):
    name = "database connections cut, delayed, swallowed"
    stages = frozenset({"single", "pair"})
    weight = 8
    short = True

    def inject(self, scene: Scene) -> int:
        proxies = scene.stage.backs
        before = sum(proxy.met.total() for proxy in proxies)
        for proxy in proxies:
            proxy.begin(KINDS, reach=scene.random.choice((2_000, 10_000, 50_000)))
        scene.last(1.0, 4.0)
        for proxy in proxies:
            proxy.stop()
        return sum(proxy.met.total() for proxy in proxies) - before
