"""The users' encrypted credentials, and the keys that must be those they were written with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from autogpt_db.errors import AutogptDbError, ConfigurationError

if TYPE_CHECKING:
    import psycopg
    from cryptography.fernet import MultiFernet

    from autogpt_db.settings import IntegrationsSettings, Settings

log = structlog.get_logger("autogpt_db.database")

SAMPLE = 20
"""Users whose credentials are tried at start."""


class UndecryptableError(AutogptDbError):
    """A text that no key of ours decrypts: it was written with another one, or damaged."""


def fernet_of(keys: IntegrationsSettings) -> MultiFernet:
    """Return what encrypts with the present key and decrypts with it or the one before."""
    # Not at the top: whoever has no credentials to read doesn't pay for the library.
    from cryptography.fernet import Fernet, MultiFernet

    given = (keys.encryption_key, keys.previous_encryption_key)
    return MultiFernet([Fernet(key.reveal()) for key in given if key is not None])


def encrypt(keys: IntegrationsSettings, text: str) -> str:
    """Return a text as a Fernet token of the present key."""
    return fernet_of(keys).encrypt(text.encode()).decode()


def decrypt(keys: IntegrationsSettings, token: str) -> str:
    """Return what a Fernet token says.

    Raises:
        UndecryptableError: It is no token of these keys, or doesn't hold UTF-8.
    """
    from cryptography.fernet import InvalidToken

    try:
        return fernet_of(keys).decrypt(token.encode()).decode()
    except (InvalidToken, UnicodeDecodeError) as error:
        raise UndecryptableError(
            "They were encrypted with another key than integrations.encryption_key "
            "(ENCRYPTION_KEY), or are damaged."
        ) from error


def verify_key(connection: psycopg.Connection[Any], settings: Settings, schema_name: str) -> int:
    """Try the keys on what some users have stored.

    Args:
        connection: In autocommit mode.
        settings: With the key; without one nothing is tried.
        schema_name: The schema of AutoGPT's tables.

    Returns:
        On how many users' they were tried.

    Raises:
        ConfigurationError: They decrypt nothing of that. Where they decrypt some, the rest is
            logged as an error.
    """
    keys = settings.integrations
    if keys.encryption_key is None:
        return 0
    place = '"' + schema_name.replace('"', '""') + '"'
    rows = connection.execute(
        f"""SELECT "integrations" FROM {place}."User" WHERE "integrations" <> '' LIMIT {SAMPLE}"""
    ).fetchall()
    failed = sum(not _decrypts(keys, token) for (token,) in rows)
    if failed and failed == len(rows):
        raise ConfigurationError(
            "integrations.encryption_key: does not decrypt the credentials that users have stored. "
            "It must be the ENCRYPTION_KEY of AutoGPT's other services. If the key has been "
            "changed: docs/howto/rotate-the-encryption-key.md."
        )
    if failed:
        log.error("credentials_undecryptable", users=failed, tried=len(rows))
    return len(rows)


def has_users(connection: psycopg.Connection[Any], schema_name: str) -> bool:
    """Tell whether there is a table of users, which only a migrated database has."""
    place = '"' + schema_name.replace('"', '""') + '"'
    row = connection.execute("SELECT to_regclass(%s)", [f'{place}."User"']).fetchone()
    return row is not None and row[0] is not None


def _decrypts(keys: IntegrationsSettings, token: str) -> bool:
    try:
        decrypt(keys, token)
    except UndecryptableError:
        return False
    return True
