"""How long PostgreSQL took for statements, by the operation that sent them.

A name is all that is kept of a statement: neither its text nor a value.
"""

from __future__ import annotations

from bisect import bisect_left

from autogpt_db.metrics.families import SECONDS

BUCKETS = len(SECONDS) + 1


class Durations:
    """What this process has counted since its start.

    Attributes:
        counted: By operation how many statements took how long, in buckets, and last the seconds
            of all of them.
    """

    def __init__(self) -> None:
        self.counted: dict[str, list[float]] = {}

    def count(self, operation: str, seconds: float) -> None:
        """Count a statement that was answered, has failed, or that nobody waits for any more.

        Args:
            operation: Which has sent it; of a merged one the operation of all its calls.
            seconds: From its sending until its answer was read.
        """
        counted = self.counted.get(operation)
        if counted is None:
            counted = self.counted[operation] = [0.0] * (BUCKETS + 1)
        counted[bisect_left(SECONDS, seconds)] += 1.0
        counted[-1] += seconds
