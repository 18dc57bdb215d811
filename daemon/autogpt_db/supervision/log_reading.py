"""Logs of processes as text, from whichever byte on they are read.

Replaces stock behaviour: Supervisor decodes whatever piece of a file it is asked for, so a `tail`
that begins within a character ends with a 500 and a traceback, and `tail -f` shows bytes.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from supervisor.http import NOT_DONE_YET, tail_f_producer
from supervisor.xmlrpc import Faults

from autogpt_db.printable import printable

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

_LONGEST_CHARACTER = 4  # bytes, in UTF-8
_NO_XML = re.compile("[\ufffe\uffff]")
"""What XML cannot carry, beyond the control characters."""


def read_log(path: Path, offset: int, length: int) -> str:
    """Return a piece of a log.

    A character belongs to the piece that it begins in, so that pieces put together are the log.

    Args:
        path: The file.
        offset: Where the piece begins, in bytes; a negative one counts from the end.
        length: Its bytes; 0 for all that follow.

    Raises:
        ValueError: Offset and length don't go together; the word is Supervisor's own.
        OSError: The file cannot be read.
    """
    if length < 0 or (offset < 0 and length):
        raise ValueError(Faults.BAD_ARGUMENTS)
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = max(0, size + offset) if offset < 0 else min(offset, size)
        end = min(start + length, size) if length else size
        return _text(_piece(file, start, end))


def tail_log(path: Path, offset: int, length: int) -> tuple[str, int, bool]:
    """Return the end of a log, where it goes on, and whether something before it is left out.

    Args:
        path: The file; a missing one is empty.
        offset: How far it was read.
        length: Bytes to read at most.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if offset >= size:
                return "", size, False
            start = max(0, offset, size - max(0, length))
            return _text(_piece(file, start, size)), size, start > offset
    except OSError:
        return "", offset, False


def _piece(file: BinaryIO, start: int, end: int) -> bytes:
    """Return the bytes of the characters that begin between `start` and `end`."""
    file.seek(start)
    data = file.read(end - start + _LONGEST_CHARACTER - 1)
    first, last = 0, min(end - start, len(data))
    while start and first < last and first < _LONGEST_CHARACTER and _continues(data[first]):
        first += 1
    while first < last < len(data) and _continues(data[last]):
        last += 1
    return data[first:last]


def _continues(byte: int) -> bool:
    """Tell whether a byte is one of a UTF-8 character's, but not its first."""
    return byte & 0xC0 == 0x80  # noqa: PLR2004 - the two bits that say so


def _text(data: bytes) -> str:
    return _NO_XML.sub("\ufffd", printable(data.decode("utf-8", "replace"), lines=True))


class FollowedLog(tail_f_producer):  # type: ignore[misc]
    """What `supervisorctl tail -f` is sent: from a whole character on."""

    def __init__(self, request: Any, filename: str, head: int) -> None:
        super().__init__(request, filename, head)
        self._begins = self.sz > 0

    def more(self) -> Any:
        """Return what was written since the last time."""
        data = super().more()
        if not isinstance(data, bytes):
            return data
        if self._begins and data:
            self._begins = False
            first = 0
            while first < min(len(data), _LONGEST_CHARACTER) and _continues(data[first]):
                first += 1
            data = data[first:]
            if not data:
                return NOT_DONE_YET
        return _text(data).encode()
