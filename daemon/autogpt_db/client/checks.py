"""What a client and its calls are given, looked at before anything is sent.

A fault in it is the caller's: no repeat mends it, and httpx would tell of some only when a request
is made, as if nobody answered.
"""

from __future__ import annotations

import math
import os
import re

import httpx

from autogpt_db.client.errors import ClientUsageError

LONGEST_KEY = 255
LONGEST_PATH = 107
"""Bytes of a unix socket's path, by Linux."""
LONGEST_TIMEOUT = 7 * 86400.0

_UNIX = "unix:"
_KEY = re.compile(rf"[\x21-\x7e]{{1,{LONGEST_KEY}}}")
_METHOD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""What no header can carry; a tab is none of them."""


def checked_url(url: str) -> tuple[str, str | None]:
    """Return the base URL, and the path of the unix socket if it is one.

    Args:
        url: `http://host:port`, or `unix:/path/of/the/socket`.

    Raises:
        ClientUsageError: It is neither.
    """
    _text("url", url)
    if url.startswith(_UNIX):
        path = url.removeprefix(_UNIX).removeprefix("//")
        if not path or "\0" in path:
            raise ClientUsageError(f"url: {url!r} names no socket: unix:/path/of/the/socket")
        if len(os.fsencode(path)) > LONGEST_PATH:
            raise ClientUsageError(
                f"url: a unix socket's path has {LONGEST_PATH} bytes at most: {path}"
            )
        return "http://localhost", path
    try:
        parts = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError) as error:
        # Before an @ there may be a password, and that may be what cannot be read.
        fault = "percent-encode its user and password" if "@" in url else f"{url!r}: {error}"
        raise ClientUsageError(f"url: cannot be read: {fault}") from None
    shown = parts.copy_with(userinfo=b"", query=None, fragment=None)
    if parts.scheme not in {"http", "https"} or not parts.host:
        raise ClientUsageError(
            f"url: '{shown}' is neither http://host:port nor unix:/path/of/the/socket"
        )
    if parts.port is not None and not 0 < parts.port < 2**16:
        raise ClientUsageError(f"url: '{shown}' has a port that is none: 1 to 65535")
    if parts.query or parts.fragment:
        raise ClientUsageError(
            f"url: '{shown}' must have nothing behind it: the methods' names follow"
        )
    return url, None


def checked_token(token: str | None) -> bytes | None:
    """Return a token as it is sent: UTF-8, as the service compares it; None for none.

    Raises:
        ClientUsageError: No header can carry it.
    """
    if not token:
        return None
    _text("token", token)
    sent = token.encode()
    # The token itself is a secret.
    if _CONTROL.search(token):
        raise ClientUsageError(
            "token: has a line break or another control character, which no header can carry; "
            "of a file's content take .strip()"
        )
    if sent != sent.strip():
        raise ClientUsageError("token: begins or ends with a blank, which no header can carry")
    return sent


def checked_key(key: str) -> str:
    """Return an idempotency key that the service takes.

    Raises:
        ClientUsageError: It takes none such.
    """
    _text("idempotency_key", key)
    if not _KEY.fullmatch(key):
        raise ClientUsageError(
            f"idempotency_key: {key[:40]!r} is not 1 to {LONGEST_KEY} visible ASCII characters"
        )
    return key


def checked_method(name: str) -> str:
    """Return what may be a method's name.

    Raises:
        ClientUsageError: No method can have it.
    """
    _text("method", name)
    if not _METHOD.fullmatch(name):
        raise ClientUsageError(
            f"method: {name[:40]!r} is no method's name: ASCII letters, digits and _"
        )
    return name


def checked_timeout(seconds: float) -> float:
    """Return how long to wait for a reply.

    Raises:
        ClientUsageError: It is no time that can be waited for.
    """
    if (
        isinstance(seconds, bool)
        or not isinstance(seconds, int | float)
        or math.isnan(seconds)
        or not 0 < seconds <= LONGEST_TIMEOUT
    ):
        raise ClientUsageError(
            f"timeout: {seconds!r} is no number of seconds above 0, up to {LONGEST_TIMEOUT:g}"
        )
    return seconds


def _text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise ClientUsageError(f"{name}: a {type(value).__name__} is given, and text is wanted")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ClientUsageError(f"{name}: has characters that are none in UTF-8") from None
