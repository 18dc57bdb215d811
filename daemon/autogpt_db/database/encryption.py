"""The users' encrypted credentials, and the key that must be the one they were written with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from autogpt_db.errors import AutogptDbError, ConfigurationError

if TYPE_CHECKING:
    import psycopg

    from autogpt_db.settings import Secret, Settings

log = structlog.get_logger("autogpt_db.database")

SAMPLE = 20
"""Users whose credentials are tried at start."""


class UndecryptableError(AutogptDbError):
    """A text that this key doesn't decrypt: it was written with another one, or damaged."""


def encrypt(key: Secret, text: str) -> str:
    """Return a text as a Fernet token."""
    # Not at the top: whoever has no credentials to read doesn't pay for the library.
    from cryptography.fernet import Fernet

    return Fernet(key.reveal()).encrypt(text.encode()).decode()


def decrypt(key: Secret, token: str) -> str:
    """Return what a Fernet token says.

    Raises:
        UndecryptableError: It is no token of this key, or doesn't hold UTF-8.
    """
    from cryptography.fernet import Fernet, InvalidToken

    try:
        return Fernet(key.reveal()).decrypt(token.encode()).decode()
    except (InvalidToken, UnicodeDecodeError) as error:
        raise UndecryptableError(
            "They were encrypted with another key than integrations.encryption_key "
            "(ENCRYPTION_KEY), or are damaged."
        ) from error


def verify_key(connection: psycopg.Connection[Any], settings: Settings, schema_name: str) -> None:
    """Try the key on what some users have stored.

    Args:
        connection: In autocommit mode.
        settings: With the key; without one nothing is tried.
        schema_name: The schema of AutoGPT's tables.

    Raises:
        ConfigurationError: It decrypts nothing of that. Where it decrypts some, the rest is logged
            as an error.
    """
    key = settings.integrations.encryption_key
    if key is None:
        return
    place = '"' + schema_name.replace('"', '""') + '"'
    rows = connection.execute(
        f"""SELECT "integrations" FROM {place}."User" WHERE "integrations" <> '' LIMIT {SAMPLE}"""
    ).fetchall()
    failed = sum(not _decrypts(key, token) for (token,) in rows)
    if failed and failed == len(rows):
        raise ConfigurationError(
            "integrations.encryption_key: does not decrypt the credentials that users have stored. "
            "It must be the ENCRYPTION_KEY of AutoGPT's other services."
        )
    if failed:
        log.error("credentials_undecryptable", users=failed, tried=len(rows))


def _decrypts(key: Secret, token: str) -> bool:
    try:
        decrypt(key, token)
    except UndecryptableError:
        return False
    return True
