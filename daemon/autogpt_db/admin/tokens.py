"""The two tokens of the admin listener, made at its first start.

`token` may do everything and makes links for browsers; `read_token` is for scripts, which only
read. They lie below the state directory, readable by the service's account and root alone.
"""

from __future__ import annotations

import hmac
import os
import secrets
from typing import TYPE_CHECKING, NamedTuple

from autogpt_db.admin.identity import Scope
from autogpt_db.errors import ConfigurationError
from autogpt_db.logs.events import admin as log

if TYPE_CHECKING:
    from pathlib import Path

    from autogpt_db.settings import Settings

DIRECTORY = "admin"
"""Below the state directory."""
TOKEN = "token"  # noqa: S105 - the name of a file
READ_TOKEN = "read_token"  # noqa: S105 - the name of a file
LEAST_LENGTH = 32
"""Characters below which a token could be guessed: somebody has written the file by hand."""
_LONGEST = 4096


class Tokens(NamedTuple):
    """What was read from the files.

    Attributes:
        token: May do everything.
        read_token: May read.
    """

    token: str
    read_token: str

    def scope_of(self, given: str) -> Scope | None:
        """Return what the bearer of a token may do; None where it is neither."""
        sent = given.encode("utf-8", "surrogateescape")
        # Both are compared, so that the time says nothing of either.
        may_act = hmac.compare_digest(sent, self.token.encode())
        may_read = hmac.compare_digest(sent, self.read_token.encode())
        if may_act:
            return Scope.ACT
        return Scope.READ if may_read else None


def make_tokens(settings: Settings) -> Tokens:
    """Return the tokens; those that are missing are made.

    Raises:
        ConfigurationError: A file cannot be made or read, or others may read it.
    """
    directory = settings.paths.state / DIRECTORY
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in (TOKEN, READ_TOKEN):
            if _made(directory / name):
                log.admin_token_made(path=str(directory / name))
    except OSError as error:
        raise ConfigurationError(
            f"state_directory: the admin listener's tokens cannot be made in {directory}: "
            f"{error.strerror}."
        ) from None
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
            f"{path} may be read by others than its owner. Remove it, and restart the admin "
            "listener: it makes another token."
        )
    if len(text) < LEAST_LENGTH:
        raise ConfigurationError(
            f"{path} holds no token of {LEAST_LENGTH} characters or more. Remove it, and restart "
            "the admin listener: it makes another."
        )
    return text


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
