"""Which tests go to the same process, where there are several: all of a file, or of more."""

from __future__ import annotations

from zlib import crc32

from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]  # it ships no types

RELEASES, THEIR_PROCESSES = "tests/releases/", 2
"""Each process makes the databases of AutoGPT's releases that its tests start from: in five, that
takes a fifth of what those tests do."""


class Spread(LoadFileScheduling):  # type: ignore[misc]
    """Sends out what belongs together, as `--dist loadfile` does."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if file.startswith(RELEASES):
            return f"{RELEASES} {crc32(file.encode()) % THEIR_PROCESSES}"
        return file
