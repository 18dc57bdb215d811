"""Figures of one process in a file of fixed size, mapped into memory.

One file for each process's name, not for each pid: a successor goes on where its predecessor was
killed, so that totals never fall, and the files are as many as there are processes. Readers see
every addition at once; a value is one aligned word, which is written as a whole.
"""

from __future__ import annotations

import math
import mmap
import os
import stat
import struct
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from autogpt_db.metrics.processes import own_start

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from autogpt_db.metrics.declaration import Family

DIRECTORY = "metrics"
"""Below the runtime directory."""

RECORDS = 1024
"""Series that one process may have; what comes in beyond them is counted as `other`."""
VALUES = 16
"""Words of a record: a histogram's buckets and, last, its sum."""
SUM = VALUES - 1
OTHER = "other"

_WORD = 8
_KEY = 128
_RECORD = _KEY + VALUES * _WORD
_HEADER = struct.Struct("<8sIIIIQd")  # magic, record, records, used, pid, start, started
_MAGIC = b"adbmetr1"
_SIZE = _RECORD * (RECORDS + 2)
_SPARE = (_RECORD * (RECORDS + 1) + _KEY) // _WORD
"""Where values go for which there is no room: counting never fails."""
_USED_AT = 16
_LENGTH = struct.Struct("<H")
_VALUES = struct.Struct(f"<{VALUES}d")
_SEPARATOR = "\x1f"


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
        shared = _mapped_file(runtime / DIRECTORY / name) if runtime else None
        self.shared = shared is not None
        self._map = shared or mmap.mmap(-1, _SIZE)
        self._places: dict[bytes, int] = {}
        self._used = 0
        if not self._take_over():
            self._map[: _HEADER.size] = bytes(_HEADER.size)
        start, started = own_start()
        header = (_MAGIC, _RECORD, RECORDS, self._used, os.getpid(), start, started)
        self._map[: _HEADER.size] = _HEADER.pack(*header)
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
        key = _SEPARATOR.join((family.short_name, *labels)).encode()
        found = self._places.get(key)
        if found is not None:
            return found
        if self._used >= RECORDS - _reserve(family) or len(key) > _KEY - _LENGTH.size:
            others = (OTHER,) * len(labels)
            if labels != others:
                return self.place(family, *others)
            if self._used >= RECORDS:
                return _SPARE
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
        at = (self._used + 1) * _RECORD
        self._map[at : at + _LENGTH.size + len(key)] = _LENGTH.pack(len(key)) + key
        self._map[at + _KEY : at + _RECORD] = bytes(_RECORD - _KEY)
        self._used += 1
        # Last, so that a reader never meets half a record.
        self._map[_USED_AT : _USED_AT + 4] = struct.pack("<I", self._used)
        place = self._places[key] = (at + _KEY) // _WORD
        return place

    def _take_over(self) -> bool:
        """Read which series the predecessor had; False when it was of another program."""
        content = self._map[:]  # of the right size by now, whoever made it
        used = _used(content)
        if used is None:
            return False
        for number in range(used):
            at = (number + 1) * _RECORD
            self._places[_key(content, at)] = (at + _KEY) // _WORD
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


@dataclass(frozen=True, slots=True)
class Figures:
    """What a process's file says.

    Attributes:
        name: The process's.
        pid: Its process id, or its last one.
        start: When that one started, in ticks since the machine did.
        started: The same, as Unix time.
        series: Values by family and labels.
    """

    name: str
    pid: int
    start: int
    started: float
    series: dict[tuple[str, ...], tuple[float, ...]]


def make_directory(runtime: Path) -> Path:
    """Make the directory of the files, without those that an earlier service left in it.

    Whatever else is there stays: the runtime directory may be somebody's own.

    Where that cannot be done, each process keeps its figures to itself.
    """
    directory = runtime / DIRECTORY
    with suppress(OSError):
        directory.mkdir(mode=0o700, exist_ok=True)
        for file in directory.iterdir():
            if _is_ours(file):
                file.unlink()
    return directory


def read_all(runtime: Path) -> Iterator[Figures]:
    """Yield what each process has written, one file at a time.

    Args:
        runtime: The runtime directory.
    """
    try:
        names = sorted(os.listdir(runtime / DIRECTORY))  # noqa: PTH208 - names are wanted
    except OSError:
        return
    for name in names:
        with suppress(OSError):
            found = _read(name, _used_part(runtime / DIRECTORY / name))
            if found is not None:
                yield found


def read_own(store: Store) -> Figures:
    """Return what this process has written."""
    found = _read(store.name, bytes(store.values.cast("B")))
    assert found is not None, "our own header is right"
    return found


def _read(name: str, content: bytes) -> Figures | None:
    used = _used(content)
    if used is None:
        return None
    _, _, _, _, pid, start, started = _HEADER.unpack_from(content)
    series: dict[tuple[str, ...], tuple[float, ...]] = {}
    for number in range(min(used, len(content) // _RECORD - 1)):
        at = (number + 1) * _RECORD
        series[_names(_key(content, at))] = _VALUES.unpack_from(content, at + _KEY)
    return Figures(name, pid, start, started, series)


def _used_part(path: Path) -> bytes:
    """Return what a file holds, without the room it has left."""
    with path.open("rb", buffering=0) as file:
        if os.fstat(file.fileno()).st_size != _SIZE:
            return b""
        header = file.read(_RECORD)
        used = _used(header) or 0
        return header + file.read(used * _RECORD)


# The same names come back with every scrape, from every process.
@lru_cache(maxsize=8192)
def _names(key: bytes) -> tuple[str, ...]:
    return tuple(key.decode("utf-8", "replace").split(_SEPARATOR))


def _key(content: bytes, at: int) -> bytes:
    (length,) = _LENGTH.unpack_from(content, at)
    return content[at + _LENGTH.size : at + _LENGTH.size + min(length, _KEY - _LENGTH.size)]


def _is_ours(path: Path) -> bool:
    """Tell whether a file is one of this program's, of whatever version."""
    with suppress(OSError):
        if stat.S_ISREG(path.lstat().st_mode):  # opening a pipe would wait for its writer
            with path.open("rb", buffering=0) as file:
                return file.read(len(_MAGIC)).startswith(_MAGIC[:-1])
    return False


def _used(content: bytes) -> int | None:
    """Return how many series there are, or None when it isn't a file of this program's."""
    if len(content) < _RECORD:
        return None
    magic, record, records, used, *_ = _HEADER.unpack_from(content)
    known = magic == _MAGIC and record == _RECORD and records == RECORDS and used <= RECORDS
    return used if known else None


def _reserve(family: Family) -> int:
    """Return the records that a family leaves to others: clients can make many requests."""
    return 64 if family.labels == ("method", "status") else 0


def _mapped_file(path: Path) -> mmap.mmap | None:
    """Map the file, making it where it is missing; None where that cannot be done."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError:
        return None
    try:
        if os.fstat(descriptor).st_size != _SIZE:
            os.ftruncate(descriptor, 0)
        # A page that the file system cannot give would end the process at its first touch.
        os.posix_fallocate(descriptor, 0, _SIZE)
        return mmap.mmap(descriptor, _SIZE)
    except OSError:
        path.unlink(missing_ok=True)
        return None
    finally:
        os.close(descriptor)
