"""How a process's figures lie in its file: of fixed size, mapped into memory.

A header says whose they are and how many series there are; then each series has a record of fixed
size, its names first and its values after them.
"""

from __future__ import annotations

import mmap
import os
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

DIRECTORY = "metrics"
"""Below the runtime directory."""

RECORDS = 2048
"""Series that one process may have; what comes in beyond them is counted as `other`."""
VALUES = 16
"""Words of a record: a histogram's buckets and, last, its sum."""
SUM = VALUES - 1
"""Which of a record's words the sum is."""

WORD = 8
KEY = 128
RECORD = KEY + VALUES * WORD
HEADER = struct.Struct("<8sIIIIQd")  # magic, record, records, used, pid, start, started
MAGIC = b"adbmetr1"
SIZE = RECORD * (RECORDS + 2)
SPARE = (RECORD * (RECORDS + 1) + KEY) // WORD
"""Where values go for which there is no room: counting never fails."""
USED_AT = 16
LENGTH = struct.Struct("<H")
WORDS = struct.Struct(f"<{VALUES}d")
SEPARATOR = "\x1f"


def used_in(content: bytes) -> int | None:
    """Return how many series there are, or None when it isn't a file of this program's."""
    if len(content) < RECORD:
        return None
    magic, record, records, used, *_ = HEADER.unpack_from(content)
    known = magic == MAGIC and record == RECORD and records == RECORDS and used <= RECORDS
    return used if known else None


def key_at(content: bytes | mmap.mmap, at: int) -> bytes:
    """Return the names that the record at `at` begins with."""
    (length,) = LENGTH.unpack_from(content, at)
    return content[at + LENGTH.size : at + LENGTH.size + min(length, KEY - LENGTH.size)]


def mapped_file(path: Path) -> mmap.mmap | None:
    """Map the file, making it where it is missing; None where that cannot be done."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError:
        return None
    try:
        if os.fstat(descriptor).st_size != SIZE:
            os.ftruncate(descriptor, 0)
        # A page that the file system cannot give would end the process at its first touch.
        os.posix_fallocate(descriptor, 0, SIZE)
        return mmap.mmap(descriptor, SIZE)
    except OSError:
        path.unlink(missing_ok=True)
        return None
    finally:
        os.close(descriptor)
