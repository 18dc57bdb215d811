"""What main knows of the processes, where /metrics finds it; API processes answer for it.

Main itself listens nowhere. It writes a few words into mapped memory at each turn of its loop.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from autogpt_db.metrics import Store, families
from autogpt_db.metrics.store import make_directory
from autogpt_db.supervision.process import States

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from autogpt_db.supervision.process import SupervisedProcess


class TreeMetrics:
    """Counts starts and ends, and says which processes serve.

    Args:
        runtime: The runtime directory; figures that an earlier service left there are removed.
    """

    def __init__(self, runtime: Path) -> None:
        make_directory(runtime)
        self._store = Store(runtime, "main")
        self._shown: set[str] = set()

    def started_again(self, name: str) -> None:
        """Count a start after the first one."""
        self._store.add(families.PROCESS_RESTARTS, 1, name)

    def ended(self, name: str, how: str) -> None:
        """Count an end.

        Args:
            name: The process's.
            how: In words, of which there are few.
        """
        self._store.add(families.PROCESS_EXITS, 1, name, how)
        self._store.set(families.PROCESS_LAST_EXIT, time.time(), name)

    def show(self, processes: Iterable[SupervisedProcess]) -> None:
        """Say which processes there are, and which serve."""
        shown = set()
        for process in processes:
            shown.add(process.name)
            self._store.set(families.PROCESS_UP, process.state == States.RUNNING, process.name)
            # Nothing is counted yet, but a rate needs a zero to start from.
            self._store.add(families.PROCESS_RESTARTS, 0, process.name)
        for gone in self._shown - shown:
            self._store.set(families.PROCESS_UP, None, gone)
        self._shown = shown
