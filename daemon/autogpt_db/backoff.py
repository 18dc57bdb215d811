"""How long to wait before something is tried again."""

from __future__ import annotations

import random
from dataclasses import dataclass

_MOST_DOUBLINGS = 62
"""More than any pause has use for, and few enough for the result to be a number."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff with equal jitter: a bound that doubles, and half of it at random.

    So a pause is never short once much has failed, and what failed together doesn't come back
    together.

    Attributes:
        first: Longest pause after the first failure, in seconds.
        longest: Longest pause of all, in seconds.
    """

    first: float
    longest: float

    def bound(self, failures: int) -> float:
        """Return the seconds that a pause may last at most.

        Args:
            failures: How many there were in a row, from 1.
        """
        return min(self.longest, self.first * 2.0 ** min(failures - 1, _MOST_DOUBLINGS))

    def pause(self, failures: int) -> float:
        """Return the seconds to wait: at random between half of the bound and all of it.

        Args:
            failures: How many there were in a row, from 1.
        """
        return self.bound(failures) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
