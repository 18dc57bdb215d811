"""The two tokens of the admin listener, made at its first start.

`token` may do everything and makes links for browsers; `read_token` is for scripts, which only
read. They lie below the state directory, readable by the service's account and root alone. Who
removes or replaces a file revokes its token.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import secrets
import time
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from autogpt_db.admin.identity import Scope
from autogpt_db.errors import ConfigurationError
from autogpt_db.logs.events import admin as log

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from autogpt_db.settings import Settings

DIRECTORY = "admin"
"""Below the state directory."""
TOKEN = "token"  # noqa: S105 - the name of a file
READ_TOKEN = "read_token"  # noqa: S105 - the name of a file
LEAST_LENGTH = 32
"""Characters below which a token could be guessed: somebody has written the file by hand."""
LOOK = 1.0
"""Seconds for which what the files had is good: so long a revoked token may be good still, and so
long another one is waited for."""
_LONGEST = 4096
_Marks = list[tuple[int, int, int, int] | None]


class Tokens(NamedTuple):
    """What was read from the files.

    Attributes:
        token: May do everything; None where there is none that is good.
        read_token: May read; likewise.
    """

    token: str | None
    read_token: str | None

    def scope_of(self, given: str) -> Scope | None:
        """Return what the bearer of a token may do; None where it is neither."""
        sent = given.encode("utf-8", "surrogateescape")
        # Both are compared, so that the time says nothing of either.
        may_act, may_read = (
            token is not None and hmac.compare_digest(sent, token.encode()) for token in self
        )
        if may_act:
            return Scope.ACT
        return Scope.READ if may_read else None


class TokensInEffect:
    """The tokens as their files have them now.

    Args:
        settings: The effective settings.

    Attributes:
        on_revoked: Called when the token that may do everything is another, or none: what was let
            in by it should be no more.

    Raises:
        ConfigurationError: As `make_tokens` does. Later on it is told, and the token is none.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._directory = settings.paths.state / DIRECTORY
        self._tokens = make_tokens(settings)
        self._marks = self._marks_now()
        self._looked = time.monotonic()
        self._unusable: dict[str, str] = {}
        self.on_revoked: Callable[[], None] = lambda: None

    def scope_of(self, given: str) -> Scope | None:
        """Return what the bearer of a token may do; None where it is neither."""
        self.look()
        return self._tokens.scope_of(given)

    def look(self) -> None:
        """Read the files, if they have changed; a file that is gone is made, with another token."""
        now = time.monotonic()
        if now - self._looked < LOOK:
            return
        self._looked = now
        marks = self._marks_now()  # before they are read: a change meanwhile is seen the next time
        if marks == self._marks and None not in marks:
            return
        self._marks = marks
        before = self._tokens
        self._tokens = Tokens(self._read(TOKEN), self._read(READ_TOKEN))
        if self._tokens.token != before.token:
            self.on_revoked()

    async def look_forever(self) -> NoReturn:
        """Look as long as nobody asks, too: who reads a file finds the token that is good."""
        while True:
            self.look()
            await asyncio.sleep(LOOK)

    def _read(self, name: str) -> str | None:
        try:
            _make(self._directory / name)
            token = read_token(self._directory / name)
        except ConfigurationError as error:
            # One that cannot be made is tried again at each look, and told of once.
            if self._unusable.get(name) != str(error):
                self._unusable[name] = str(error)
                log.admin_token_unusable(reason=str(error))
            return None
        self._unusable.pop(name, None)
        return token

    def _marks_now(self) -> _Marks:
        """Return what tells a file from what it was."""
        marks: _Marks = []
        for name in (TOKEN, READ_TOKEN):
            try:
                found = (self._directory / name).stat()
            except OSError:
                marks.append(None)
            else:
                marks.append((found.st_ino, found.st_mtime_ns, found.st_size, found.st_mode))
        return marks


def make_tokens(settings: Settings) -> Tokens:
    """Return the tokens; those that are missing are made.

    Raises:
        ConfigurationError: A file cannot be made or read, or others may read it.
    """
    directory = settings.paths.state / DIRECTORY
    for name in (TOKEN, READ_TOKEN):
        _make(directory / name)
    return Tokens(read_token(directory / TOKEN), read_token(directory / READ_TOKEN))


def read_token(path: Path) -> str:
    """Return the token that a file holds.

    Raises:
        ConfigurationError: It cannot be read, holds none, or others may read it as well.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(_LONGEST).decode("ascii", "replace").strip()
    except FileNotFoundError:
        raise ConfigurationError(
            f"{path} is not there yet: the admin listener makes it at its first start "
            "(admin.enabled = true)."
        ) from None
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error.strerror}. Run this as root (sudo), or as the account "
            "that the daemon runs under."
        ) from None
    if mode & 0o077:
        raise ConfigurationError(
            f"{path} may be read by others than its owner. Remove it: the admin "
            "listener makes another, at once or at its start."
        )
    if len(text) < LEAST_LENGTH:
        raise ConfigurationError(
            f"{path} holds no token of {LEAST_LENGTH} characters or more. Remove it: the "
            "admin listener makes another, at once or at its start."
        )
    return text


def _make(path: Path) -> None:
    """Make a file with a new token where there is none.

    Raises:
        ConfigurationError: It cannot be made.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _made(path):
            log.admin_token_made(path=str(path))
    except OSError as error:
        raise ConfigurationError(
            f"state_directory: the admin listener's token {path} cannot be made: {error.strerror}."
        ) from None


def _made(path: Path) -> bool:
    """Make a file with a new token, whole or not at all; False where there is one."""
    if path.exists():
        return False
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)  # not over one that another process has made meanwhile
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    return True
