"""The effective settings as main hands them to its children, in a file only they can read.

Children never look at the configuration file themselves: one that is half edited when a child
is restarted must not take it down.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from autogpt_db.settings.catalog import decode_value
from autogpt_db.settings.declaration import Secret
from autogpt_db.settings.model import Settings

FILE_NAME = "settings.json"


def write_effective(settings: Settings, directory: Path) -> Path:
    """Write `settings` to `directory`/settings.json, atomically, readable by the owner only."""
    paths = settings.paths
    complete = msgspec.structs.replace(
        settings, state_directory=paths.state, runtime_directory=paths.runtime
    )
    target = directory / FILE_NAME
    temporary = directory / f".{FILE_NAME}.{os.getpid()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(msgspec.json.encode(_plain(complete)))
    temporary.replace(target)
    return target


def read_effective(directory: Path) -> Settings:
    """Read what `write_effective` wrote."""
    content = (directory / FILE_NAME).read_bytes()
    return msgspec.json.decode(content, type=Settings, dec_hook=decode_value)


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        names = (field.name for field in msgspec.structs.fields(value))
        return {name: _plain(getattr(value, name)) for name in names}
    if isinstance(value, Secret):
        return value.reveal()
    return str(value) if isinstance(value, Path) else value
