"""What a fault is; each kind has a file in faults/."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import random

    from chaos.history import History
    from chaos.stages import Stage

EVERYWHERE = frozenset({"single", "pair", "pooled"})


@dataclass
class Scene:
    """What a fault has at hand.

    Attributes:
        stage: The daemon and its surroundings.
        history: What the clients remember; a fault adds what it sees broken.
        random: What its details are drawn from.
    """

    stage: Stage
    history: History
    random: random.Random

    def last(self, shortest: float, longest: float) -> None:
        """Let the fault last: this is the outage itself."""
        time.sleep(self.random.uniform(shortest, longest))


class Fault:
    """One kind of fault.

    Attributes:
        name: What the table calls it.
        stages: Where it can be played.
        weight: How often it comes, next to the others.
        short: Whether the short form plays it, too.
    """

    name: ClassVar[str]
    stages: ClassVar[frozenset[str]] = EVERYWHERE
    weight: ClassVar[int] = 4
    short: ClassVar[bool] = False

    def inject(self, scene: Scene) -> int:
        """Do it, let it last, undo it; return how many times something was broken.

        What is not broken any more when this returns may still need its time to recover.
        """
        raise NotImplementedError
