"""Figures of one process in a file of fixed size, mapped into memory.

One file for each process's name, not for each pid: a successor goes on where its predecessor was
killed, so that totals never fall, and the files are as many as there are processes. Readers see
every addition at once; a value is one aligned word, which is written as a whole.
"""

from __future__ import annotations

import math
import mmap
import os
import struct
from typing import TYPE_CHECKING

from autogpt_db.metrics.layout import (
    DIRECTORY,
    HEADER,
    KEY,
    LENGTH,
    MAGIC,
    RECORD,
    RECORDS,
    SEPARATOR,
    SIZE,
    SPARE,
    SUM,
    USED_AT,
    VALUES,
    WORD,
    key_at,
    mapped_file,
    used_in,
)
from autogpt_db.metrics.processes import own_start

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from autogpt_db.metrics.declaration import Family

OTHER = "other"
"""What comes in beyond the series that there is room for is counted as."""


class Store:
    """A process's own figures.

    Attributes:
        values: All words of the file; `place` says where a series has its own.
        name: The process's.
        shared: Whether other processes see them.
    """

    def __init__(self, runtime: Path | None, name: str) -> None:
        """Open the figures of the process `name`, with those that its predecessor left.

        Args:
            runtime: The runtime directory; None for a process that is by itself, whose figures
                go with it.
            name: The process's, `api_00`.
        """
        self.name = name
        shared = mapped_file(runtime / DIRECTORY / name) if runtime else None
        self.shared = shared is not None
        self._map = shared or mmap.mmap(-1, SIZE)
        self._places: dict[bytes, int] = {}
        self._used = 0
        if not self._take_over():
            self._map[: HEADER.size] = bytes(HEADER.size)
        start, started = own_start()
        header = (MAGIC, RECORD, RECORDS, self._used, os.getpid(), start, started)
        self._map[: HEADER.size] = HEADER.pack(*header)
        self.values = memoryview(self._map).cast("d")

    def close(self) -> None:
        """Let go of the file; what it says stays."""
        self.values.release()
        self._map.close()

    def place(self, family: Family, *labels: str) -> int:
        """Return where the values of a series stand, making it where it is new.

        Args:
            family: What is measured.
            labels: Values of its labels, `process` left out.
        """
        key = SEPARATOR.join((family.short_name, *labels)).encode()
        found = self._places.get(key)
        if found is not None:
            return found
        if self._used >= RECORDS - _reserve(family) or len(key) > KEY - LENGTH.size:
            others = (OTHER,) * len(labels)
            if labels != others:
                return self.place(family, *others)
            if self._used >= RECORDS:
                return SPARE
        return self._add(key)

    def set(self, family: Family, value: float | None, *labels: str) -> None:
        """Set a gauge; None stands for "not known", and it isn't shown."""
        self.values[self.place(family, *labels)] = math.nan if value is None else value

    def add(self, family: Family, amount: float, *labels: str) -> None:
        """Add to a counter."""
        self.values[self.place(family, *labels)] += amount

    def observe(self, family: Family, value: float, *labels: str) -> None:
        """Add one observation to a histogram."""
        place = self.place(family, *labels)
        bucket = sum(value > bound for bound in family.bounds)
        self.values[place + bucket] += 1.0
        self.values[place + SUM] += value

    def _add(self, key: bytes) -> int:
        at = (self._used + 1) * RECORD
        self._map[at : at + LENGTH.size + len(key)] = LENGTH.pack(len(key)) + key
        self._map[at + KEY : at + RECORD] = bytes(RECORD - KEY)
        self._used += 1
        # Last, so that a reader never meets half a record.
        self._map[USED_AT : USED_AT + 4] = struct.pack("<I", self._used)
        place = self._places[key] = (at + KEY) // WORD
        return place

    def _take_over(self) -> bool:
        """Read which series the predecessor had; False when it was of another program."""
        content = self._map[:]  # of the right size by now, whoever made it
        used = used_in(content)
        if used is None:
            return False
        for number in range(used):
            at = (number + 1) * RECORD
            self._places[key_at(content, at)] = (at + KEY) // WORD
        self._used = used
        return True


class Total:
    """What something else counts, from 0 on when this process starts.

    Args:
        store: Where it is shown, on top of what its predecessors counted.
        family: A counter, or a histogram.
        labels: Values of its labels, `process` left out.
    """

    def __init__(self, store: Store, family: Family, *labels: str) -> None:
        self._values = store.values
        self._place = store.place(family, *labels)
        self._before = self._values[self._place : self._place + VALUES].tolist()

    def set(self, value: float) -> None:
        """Show what a counter has come to."""
        self._values[self._place] = self._before[0] + value

    def set_histogram(self, buckets: Sequence[float], total: float) -> None:
        """Show what a histogram has come to.

        Args:
            buckets: Observations in each bucket alone.
            total: Sum of what was observed.
        """
        for number, count in enumerate(buckets):
            self._values[self._place + number] = self._before[number] + count
        self._values[self._place + SUM] = self._before[SUM] + total


def _reserve(family: Family) -> int:
    """Return the records that a family leaves to others: clients can make many requests."""
    return 64 if family.labels == ("method", "status") else 0
