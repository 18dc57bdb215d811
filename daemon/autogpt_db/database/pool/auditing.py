"""Finding connections that have gone astray, and who has one for too long."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autogpt_db.database.pool.lending import Lending
    from autogpt_db.database.pool.pooled import PooledConnection


class Audit:
    """Looks over what is lent, and mends what should not be.

    None of it can be as long as `Lending` is right.
    """

    def __init__(self, lending: Lending, longest_lease: float) -> None:
        """Start without a suspicion.

        Args:
            lending: What is looked over.
            longest_lease: Seconds for which somebody may have a connection.
        """
        self._lending = lending
        self._longest = longest_lease
        self._suspects: set[PooledConnection] = set()

    @property
    def strays(self) -> int:
        """Return how many are open and yet neither idle nor lent to anybody who lives."""
        return len(self._suspects & self._lending.open)

    def mend(self) -> list[str]:
        """Replace the connections that nobody can give back, and serve who waits beside idle ones.

        A connection is only taken for a stray when two looks in a row find it so. Whoever has had
        one for too long is cancelled, and so gives it back.

        Returns:
            What was wrong and has been mended, in words.
        """
        lending = self._lending
        found = {connection for connection in lending.open if self._is_stray(connection)}
        mended = []
        for connection in found & self._suspects:
            lease = lending.give_up(connection)
            mended.append(f"{lease.holder} never gave it back" if lease else "lost track of")
        self._suspects = found & lending.open
        mended += self._end_overdue(time.monotonic())
        waiting = lending.waiting
        if waiting and (idle := lending.serve_idle()):
            mended.append(f"{waiting} calls waited beside {idle} idle connections")
        return mended

    def _end_overdue(self, now: float) -> list[str]:
        ended = []
        for lease in self._lending.leases.values():
            seconds = now - lease.since
            if seconds > self._longest and lease.task is not None and lease.task.cancel():
                ended.append(f"{lease.holder} had it for {seconds:.0f} s and was cancelled")
        return ended

    def _is_stray(self, connection: PooledConnection) -> bool:
        lease = self._lending.leases.get(connection)
        if lease is None:
            return not self._lending.is_idle(connection)
        return lease.task is not None and lease.task.done()
