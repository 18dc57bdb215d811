"""An operator, or a script of theirs, ends or cancels whatever runs in PostgreSQL."""

from __future__ import annotations

import time

import psycopg

from chaos.fault import Fault, Scene

OTHERS = """
SELECT coalesce(sum({function}(pid)::integer), 0)
  FROM pg_stat_activity
 WHERE datname = current_database()
   AND pid <> pg_backend_pid()
   AND (random() < {share} OR state <> 'idle')
"""


def storm(scene: Scene, function: str, *, share: float, pause: float) -> int:
    """Call a function on the sessions that work, and on a share of the idle ones."""
    count = 0
    until = time.monotonic() + scene.random.uniform(0.5, 3.0)
    sql = OTHERS.format(function=function, share=share).encode()
    with psycopg.connect(scene.stage.looking_url, autocommit=True) as connection:
        while time.monotonic() < until:
            ((number,),) = connection.execute(sql).fetchall()
            count += int(number)
            time.sleep(scene.random.uniform(0, pause))
    return count


class Terminated(Fault):
    name = "sessions terminated"
    weight = 6
    short = True

    def inject(self, scene: Scene) -> int:
        return storm(scene, "pg_terminate_backend", share=scene.random.random(), pause=0.3)


class Cancelled(Fault):
    name = "statements cancelled"
    weight = 6
    short = True

    def inject(self, scene: Scene) -> int:
        return storm(scene, "pg_cancel_backend", share=0.0, pause=0.02)
