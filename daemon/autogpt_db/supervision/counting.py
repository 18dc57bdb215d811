"""What main knows of the processes, where /metrics finds it; API processes answer for it.

Main itself listens nowhere. It writes a few words into mapped memory at each turn of its loop.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from autogpt_db.metrics import Store, families
from autogpt_db.metrics.reading import make_directory

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


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

    def show(self, running: Mapping[str, bool]) -> None:
        """Say which processes there are.

        Args:
            running: Whether each of them runs, by name.
        """
        for name, up in running.items():
            self._store.set(families.PROCESS_UP, up, name)
            # Nothing is counted yet, but a rate needs a zero to start from.
            self._store.add(families.PROCESS_RESTARTS, 0, name)
        for gone in self._shown - running.keys():
            self._store.set(families.PROCESS_UP, None, gone)
        self._shown = set(running)
