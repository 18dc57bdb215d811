"""What the clients were told, to be held against the database afterwards."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

OK, REFUSED, UNKNOWN = "ok", "refused", "unknown"


@dataclass(slots=True)
class Write:
    """A write that a client sent, once or, with a key, until it was answered.

    Attributes:
        kind: What was written: `key_value`, `spend`, `execution`, `output`, `status`.
        identity: By what its row is found.
        outcome: OK: acknowledged. REFUSED: told that nothing was written. UNKNOWN: anything else.
        keyed: Whether it had an idempotency key.
        value: What was sent, or told, for the row to be compared with.
    """

    kind: str
    identity: str
    outcome: str
    keyed: bool = False
    value: Any = None


@dataclass
class History:
    """All clients' memory.

    Attributes:
        writes: Every write, in the order in which it was answered.
        violations: Promises that were seen broken while clients ran, in words.
        calls: By the fault under way: how many calls ended how.
        answers: How many replies had each status.
        words: The words of refusals, and how many heard them.
    """

    writes: list[Write] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    calls: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    answers: Counter[int] = field(default_factory=Counter)
    words: Counter[str] = field(default_factory=Counter)
    span: str = "calm"
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, outcome: str) -> None:
        """Count a call under the fault that is under way."""
        self.calls[self.span][outcome] += 1

    def broken(self, words: str) -> None:
        """Keep a broken promise."""
        with self._lock:
            if len(self.violations) < 200:
                self.violations.append(f"[{self.span}] {words}")

    @property
    def total(self) -> int:
        """Return how many calls were sent."""
        return sum(counts.total() for counts in list(self.calls.values()))

    def acknowledged(self) -> int:
        """Return how many calls succeeded."""
        return sum(counts[OK] for counts in list(self.calls.values()))
