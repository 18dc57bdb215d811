"""What a connection string's parameters may say, where libpq or Prisma expect a certain kind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from autogpt_db.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

_NUMBERS = (
    "port",
    "connect_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
)
_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off", ""})


def check_values(parameters: Mapping[str, str], name: str) -> None:
    """Refuse what libpq would refuse at each connection, in words that repeat it.

    Args:
        parameters: libpq's, by their words.
        name: What error messages call the setting.

    Raises:
        ConfigurationError: A value cannot be one of its kind.
    """
    for word in _NUMBERS:
        for number in parameters.get(word, "").split(","):
            if number and not re.fullmatch(r"-?\d{1,9}", number.strip()):
                raise ConfigurationError(f"{name}: its parameter {word} must be a whole number.")
    if any("\0" in value for value in parameters.values()):
        raise ConfigurationError(f"{name}: holds a zero byte, which PostgreSQL cannot take.")


def boolean(parameters: Mapping[str, str], key: str, name: str) -> bool:
    """Return whether a parameter is true; one that isn't there is not.

    Args:
        parameters: Prisma's, by their words.
        key: The parameter.
        name: What error messages call the setting.

    Raises:
        ConfigurationError: It is neither true nor false.
    """
    text = parameters.get(key, "").lower()
    if text not in _TRUE | _FALSE:
        raise ConfigurationError(f"{name}: its parameter {key} must be true or false.")
    return text in _TRUE


def whole_number(parameters: Mapping[str, str], key: str, name: str) -> int | None:
    """Return a parameter's number, 0 or more; None where it isn't there.

    Args:
        parameters: Prisma's, by their words.
        key: The parameter.
        name: What error messages call the setting.

    Raises:
        ConfigurationError: It is no such number.
    """
    text = parameters.get(key)
    if text is None:
        return None
    if not text.isdecimal():
        raise ConfigurationError(f"{name}: its parameter {key} must be a whole number.")
    return int(text)
