"""Where the log is read: the journal, or a file of JSON lines, as far as it goes or on and on."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from collections import deque
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from autogpt_db.errors import ConfigurationError
from autogpt_db.logs.records import record_of_entry, record_of_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from autogpt_db.logs.records import Record, Wanted

LONGEST_LINE = 1 << 20
"""Bytes of a line that are read; the rest of a longer one is a line of its own."""
PAUSE = 0.25
"""Seconds between two looks at a file that is followed."""


def from_journal(unit: str, wanted: Wanted, *, lines: int | None, follow: bool) -> Iterator[Record]:
    """Yield the journal's records of a unit.

    Args:
        unit: The unit.
        wanted: Which records.
        lines: So many of the last ones; None for all.
        follow: Whether to go on with those that come.

    Raises:
        ConfigurationError: journalctl cannot be started, or has refused.
    """
    command = journal_command(unit, wanted, lines=lines, follow=follow)
    try:
        reading = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    except OSError as error:
        raise ConfigurationError(f"The journal cannot be read: {error}.") from error
    assert reading.stdout is not None
    try:
        for line in reading.stdout:
            yield record_of_entry(line)
        if reading.wait() > 0:
            raise ConfigurationError(
                f"journalctl has ended with exit code {reading.returncode}: what it said stands "
                "above."
            )
    finally:
        reading.stdout.close()
        if reading.poll() is None:
            reading.terminate()
        reading.wait()


def journal_command(unit: str, wanted: Wanted, *, lines: int | None, follow: bool) -> list[str]:
    """Return the command line of journalctl; its arguments are those of `from_journal`."""
    return [
        "journalctl",
        f"--unit={unit}",
        "--output=json",
        "--all",  # else it leaves out the values of long fields
        "--no-pager",
        "--quiet",
        f"--lines={'all' if lines is None else lines}",
        *(["--follow"] if follow else []),
        *wanted.journal_matches(),
    ]


def from_file(path: Path, wanted: Wanted, *, lines: int | None, follow: bool) -> Iterator[Record]:
    """Yield the records of a file, one by its path or standard input by `-`.

    Args:
        path: The file; one that is replaced or emptied is read from its beginning on.
        wanted: Which records.
        lines: So many of the last ones; None for all.
        follow: Whether to go on with those that come.

    Raises:
        ConfigurationError: It cannot be read.
    """
    with _opened(path) as file:
        # A pipe has no last records before its end, which may never come.
        endless = follow and not stat.S_ISREG(os.fstat(file.fileno()).st_mode)
        if endless:
            yield from _wanted(_lines(file), wanted)
            return
        found = _wanted(_whole_lines(file) if follow else _lines(file), wanted)
        yield from found if lines is None else deque(found, maxlen=lines)
        if follow:
            yield from _wanted(_lines_to_come(path, file), wanted)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    if str(path) == "-":
        yield sys.stdin.buffer
        return
    try:
        file = path.open("rb")
    except OSError as error:
        raise ConfigurationError(f"The log {path} cannot be read: {error.strerror}.") from error
    with file:
        yield file


def _wanted(lines: Iterator[bytes], wanted: Wanted) -> Iterator[Record]:
    for line in lines:
        if wanted.may_have(line):
            record = record_of_line(line)
            if wanted.has(record):
                yield record


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(LONGEST_LINE):
        yield line


def _whole_lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield lines up to one that is still being written, which is left to be read again."""
    while line := file.readline(LONGEST_LINE):
        if not line.endswith(b"\n") and len(line) < LONGEST_LINE:
            file.seek(-len(line), os.SEEK_CUR)
            return
        yield line


def _lines_to_come(path: Path, file: BinaryIO) -> Iterator[bytes]:
    with ExitStack() as opened:
        while True:
            yield from _whole_lines(file)
            if not _is_replaced(path, file):
                if os.fstat(file.fileno()).st_size < file.tell():
                    file.seek(0)  # emptied in its place
                time.sleep(PAUSE)
                continue
            try:
                following = path.open("rb")
            except OSError:
                time.sleep(PAUSE)  # between two files
                continue
            yield from _lines(file)  # what was written to it last
            opened.close()
            file = opened.enter_context(following)


def _is_replaced(path: Path, file: BinaryIO) -> bool:
    here = os.fstat(file.fileno())
    try:
        there = path.stat()
    except OSError:
        return False
    return (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino)
