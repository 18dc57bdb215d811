"""Whether a start could use its directories: `check` refuses, and `doctor` tells."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autogpt_db.settings import Settings


def refuse_unusable(settings: Settings, *, embedded: bool) -> None:
    """Refuse a directory that a start could not make or write to, in its words.

    Args:
        settings: Say where the directories are.
        embedded: Whether the database is the private one, which lies in the state directory.

    Raises:
        ConfigurationError: One could not be used by the account that asks.
    """
    from autogpt_db.database.provisioning.directory_lock import unusable

    wanted = {"runtime_directory": settings.paths.runtime}
    if embedded:
        wanted = {"state_directory": settings.paths.state, **wanted}
    for option, directory in wanted.items():
        missing = [one for one in (directory, *directory.parents) if not os.path.exists(one)]  # noqa: PTH110 - of a closed one it tells no more
        there = missing[-1].parent if missing else directory
        if not os.access(there, os.W_OK | os.X_OK):
            number = errno.EROFS if os.statvfs(there).f_flag & os.ST_RDONLY else errno.EACCES
            place = directory / "lock"
            if missing:
                place = missing[-1] if os.access(there, os.X_OK) else directory
            error = OSError(number, os.strerror(number), str(place))
            raise unusable(directory, error, option)
