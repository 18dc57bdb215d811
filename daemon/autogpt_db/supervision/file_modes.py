"""Whom the files in the runtime directory are for: the account that runs the service alone.

Logs have users' ids in them, and what a library says. systemd's unit sees to it with UMask=; a
service that is started by hand sees to it here.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_OTHERS = 0o077


def keep_to_ourselves(runtime: Path) -> int:
    """Let nobody else into what is created from here on, and into the logs that are there already.

    The listening sockets have been made by then: who may connect is the operator's choice.

    Args:
        runtime: The runtime directory.

    Returns:
        The umask as it was.
    """
    before = os.umask(_OTHERS)
    os.umask(before | _OTHERS)
    for path in (*runtime.glob("*.log"), *runtime.glob("*.log.[0-9]*")):
        _close_to_others(path)
    return before


def _close_to_others(path: Path) -> None:
    """Take others' rights to a file of ours; whatever else is there is left alone."""
    with suppress(OSError):
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(path, flags)
        try:
            status = os.fstat(descriptor)
            if stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid():
                os.fchmod(descriptor, stat.S_IMODE(status.st_mode) & ~_OTHERS)
        finally:
            os.close(descriptor)
