"""The users' encrypted credentials, and the keys that must be those they were written with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from autogpt_db.database.quoting import quoted
from autogpt_db.errors import AutogptDbError, ConfigurationError
from autogpt_db.logs.events import methods as log

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg
    from cryptography.fernet import MultiFernet

    from autogpt_db.settings import IntegrationsSettings, Settings

SAMPLE = 20
"""Texts of each column that are tried at start."""


class EncryptedColumn(NamedTuple):
    """Where texts lie that are encrypted with the key.

    Attributes:
        table: AutoGPT's table; its primary key is `id`.
        column: Its column; "" stands for nothing.
        whose: What a row's id is the id of.
    """

    table: str
    column: str
    whose: str


ENCRYPTED_COLUMNS = (
    EncryptedColumn("User", "integrations", "user"),
    EncryptedColumn("IntegrationCredential", "encryptedPayload", "credential"),  # v0.6.67
    EncryptedColumn("BotInstall", "credentials", "bot install"),  # v0.6.67
)


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
    return decrypter(keys)(token)


def decrypter(keys: IntegrationsSettings) -> Callable[[str], str]:
    """Return what does as `decrypt`, for many tokens: the keys are read once."""
    from cryptography.fernet import InvalidToken

    fernet = fernet_of(keys)

    def decrypted(token: str) -> str:
        try:
            return fernet.decrypt(token.encode()).decode()
        except (InvalidToken, UnicodeDecodeError) as error:
            raise UndecryptableError(
                "They were encrypted with another key than integrations.encryption_key "
                "(ENCRYPTION_KEY), or are damaged."
            ) from error

    return decrypted


class Tried(NamedTuple):
    """What trying the keys on some of a column's texts has shown.

    Attributes:
        column: Which.
        texts: How many were tried.
        failed: How many of them no key decrypts.
    """

    column: EncryptedColumn
    texts: int
    failed: int

    @property
    def trouble(self) -> str | None:
        """Return what is the matter, for people; None where all can be decrypted."""
        if not self.failed:
            return None
        return (
            f'of {self.texts} texts tried in "{self.column.table}" {self.failed} cannot be '
            "decrypted: they were written with another key, or are damaged"
        )


def verify_key(connection: psycopg.Connection[Any], settings: Settings, schema_name: str) -> int:
    """Try the keys on what some users have stored, as `try_keys`, and log what cannot be read.

    Returns:
        On how many texts they were tried.

    Raises:
        ConfigurationError: They decrypt nothing of all that.
    """
    tried = try_keys(connection, settings, schema_name)
    for column, texts, failed in tried:
        if failed:
            log.credentials_undecryptable(table=column.table, texts=failed, tried=texts)
    return sum(each.texts for each in tried)


def try_keys(
    connection: psycopg.Connection[Any], settings: Settings, schema_name: str
) -> list[Tried]:
    """Try the keys on what some users have stored.

    Args:
        connection: In autocommit mode.
        settings: With the key; without one nothing is tried.
        schema_name: The schema of AutoGPT's tables.

    Returns:
        What that has shown of each column in which something is stored.

    Raises:
        ConfigurationError: They decrypt nothing of all that.
    """
    keys = settings.integrations
    if keys.encryption_key is None:
        return []
    tried = [
        found
        for column in encrypted_columns(connection, schema_name)
        if (found := _try(connection, keys, schema_name, column)).texts
    ]
    if tried and all(each.failed == each.texts for each in tried):
        raise ConfigurationError(
            "integrations.encryption_key: does not decrypt the credentials that users have stored. "
            "It must be the ENCRYPTION_KEY of AutoGPT's other services. If the key has been "
            "changed: autogpt-db help rotate-the-encryption-key."
        )
    return tried


def _try(
    connection: psycopg.Connection[Any],
    keys: IntegrationsSettings,
    schema_name: str,
    column: EncryptedColumn,
) -> Tried:
    rows = connection.execute(
        f"""
        SELECT "{column.column}"
          FROM {quoted(schema_name)}."{column.table}"
         WHERE "{column.column}" <> ''
         LIMIT {SAMPLE}
        """
    ).fetchall()
    return Tried(column, len(rows), sum(not _decrypts(keys, token) for (token,) in rows))


def encrypted_columns(
    connection: psycopg.Connection[Any], schema_name: str
) -> list[EncryptedColumn]:
    """Return the columns of encrypted texts that the database has: none until it is migrated."""
    place = quoted(schema_name)
    return [
        each
        for each in ENCRYPTED_COLUMNS
        if connection.execute(
            "SELECT to_regclass(%s) IS NOT NULL", [f'{place}."{each.table}"']
        ).fetchone()
        == (True,)
    ]


def has_credentials(connection: psycopg.Connection[Any], schema_name: str) -> bool:
    """Tell whether anybody has stored credentials."""
    place = quoted(schema_name)
    return any(
        connection.execute(
            f"""SELECT FROM {place}."{table}" WHERE "{column}" <> '' LIMIT 1"""
        ).fetchone()
        is not None
        for table, column, _ in encrypted_columns(connection, schema_name)
    )


def _decrypts(keys: IntegrationsSettings, token: str) -> bool:
    try:
        decrypt(keys, token)
    except UndecryptableError:
        return False
    return True
