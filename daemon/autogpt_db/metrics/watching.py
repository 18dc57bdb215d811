"""A counter of all processes, as they count it: looked at in memory, without a system call."""

from __future__ import annotations

import mmap
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from autogpt_db.metrics.layout import DIRECTORY, KEY, RECORD, SIZE, WORD, key_at, used_in

if TYPE_CHECKING:
    from pathlib import Path

    from autogpt_db.metrics.declaration import Family


class Watched:
    """What a counter without labels has come to, in all processes of this host together.

    Args:
        runtime: The runtime directory.
        family: The counter.
    """

    def __init__(self, runtime: Path, family: Family) -> None:
        self._directory = runtime / DIRECTORY
        self._key = family.short_name.encode()
        self._files: dict[str, mmap.mmap] = {}
        self._records: dict[str, int] = {}
        self._words: list[memoryview[float]] = []
        self.look()

    def total(self) -> float:
        """Return what it has come to, in the processes that the last look has found."""
        return sum([word[0] for word in self._words])

    def look(self) -> None:
        """Find the processes that count it, those that are new among them."""
        for word in self._words:
            word.release()
        self._words.clear()
        with suppress(OSError):
            for name in os.listdir(self._directory):  # noqa: PTH208 - names are wanted
                if name not in self._files:
                    with suppress(OSError, ValueError):
                        self._files[name] = self._mapped(name)
        for name, file in self._files.items():
            if (at := self._record_of(name, file)) is not None:
                self._words.append(memoryview(file)[at + KEY : at + KEY + WORD].cast("d"))

    def close(self) -> None:
        """Let go of the files."""
        for word in self._words:
            word.release()
        self._words.clear()
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _mapped(self, name: str) -> mmap.mmap:
        with (self._directory / name).open("rb", buffering=0) as file:
            return mmap.mmap(file.fileno(), SIZE, prot=mmap.PROT_READ)

    def _record_of(self, name: str, file: mmap.mmap) -> int | None:
        end = ((used_in(file[:RECORD]) or 0) + 1) * RECORD
        known = self._records.get(name, end)
        if known < end and key_at(file, known) == self._key:
            return known
        for at in range(RECORD, end, RECORD):
            if key_at(file, at) == self._key:
                self._records[name] = at
                return at
        return None
