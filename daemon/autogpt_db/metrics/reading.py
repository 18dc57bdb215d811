"""Reading what processes have counted, each in its own file."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from autogpt_db.metrics.layout import (
    DIRECTORY,
    HEADER,
    KEY,
    MAGIC,
    RECORD,
    SEPARATOR,
    SIZE,
    WORDS,
    key_at,
    used_in,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from autogpt_db.metrics.store import Store


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
    used = used_in(content)
    if used is None:
        return None
    _, _, _, _, pid, start, started = HEADER.unpack_from(content)
    series: dict[tuple[str, ...], tuple[float, ...]] = {}
    for number in range(min(used, len(content) // RECORD - 1)):
        at = (number + 1) * RECORD
        series[_names(key_at(content, at))] = WORDS.unpack_from(content, at + KEY)
    return Figures(name, pid, start, started, series)


def _used_part(path: Path) -> bytes:
    """Return what a file holds, without the room it has left."""
    with path.open("rb", buffering=0) as file:
        if os.fstat(file.fileno()).st_size != SIZE:
            return b""
        header = file.read(RECORD)
        used = used_in(header) or 0
        return header + file.read(used * RECORD)


# The same names come back with every scrape, from every process.
@lru_cache(maxsize=8192)
def _names(key: bytes) -> tuple[str, ...]:
    return tuple(key.decode("utf-8", "replace").split(SEPARATOR))


def _is_ours(path: Path) -> bool:
    """Tell whether a file is one of this program's, of whatever version."""
    with suppress(OSError):
        if stat.S_ISREG(path.lstat().st_mode):  # opening a pipe would wait for its writer
            with path.open("rb", buffering=0) as file:
                return file.read(len(MAGIC)).startswith(MAGIC[:-1])
    return False
