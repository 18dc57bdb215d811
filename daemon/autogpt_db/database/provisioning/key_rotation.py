"""Re-encrypting what users have stored, from the previous key to the present one.

It takes no lock and needs no pause: each text is replaced only if it is still the one that was
read, so whatever the service writes meanwhile, with the present key, stays. A run that was ended
goes on where it was, because a text tells which key it is of; so does one where another tool,
AutoGPT's own for one, has re-encrypted a part.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from autogpt_db.database.encryption import encrypted_columns, fernet_of
from autogpt_db.database.quoting import quoted
from autogpt_db.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import psycopg

    from autogpt_db.database.encryption import EncryptedColumn
    from autogpt_db.settings import IntegrationsSettings

BATCH = 200
"""Texts in one transaction."""
SHOWN = 20
"""Rows that are named when their texts cannot be decrypted."""
ROUNDS = 5
"""Times that everything is read until nothing is of the previous key any more."""


@dataclass
class Rotation:
    """What has been found and done in one column.

    Attributes:
        texts: Encrypted texts in it.
        present: Of them, those that were of the present key already.
        rotated: Those that have been re-encrypted, or in a dry run would be.
        overtaken: Those that somebody else changed at that moment; they are read again.
        undecryptable: Ids of the rows whose text neither key decrypts: left as they are.
    """

    texts: int = 0
    present: int = 0
    rotated: int = 0
    overtaken: int = 0
    undecryptable: list[str] = field(default_factory=list)


class _Stored(NamedTuple):
    id: str
    token: str


def rotate(
    connection: psycopg.Connection[Any],
    keys: IntegrationsSettings,
    schema_name: str,
    *,
    dry_run: bool = False,
    progress: Callable[[Rotation], None] = lambda _so_far: None,
) -> dict[EncryptedColumn, Rotation]:
    """Re-encrypt all users' credentials with the present key, then read all again as proof.

    Args:
        connection: In autocommit mode, without prepared statements.
        keys: The present key and the previous one.
        schema_name: The schema of AutoGPT's tables.
        dry_run: Only look.
        progress: Told a column's counts after each batch of the first round.

    Returns:
        The counts of the first round for each column that the database has; nothing is of the
        previous key any more after it, unless it was a dry run.

    Raises:
        ConfigurationError: A key is missing, or somebody goes on writing with the previous key.
    """
    check_keys(keys)
    rounds = _Rounds(connection, keys, schema_name, dry_run=dry_run)
    found = {column: rounds.go(column, progress) for column in rounds.columns}
    if dry_run:
        return found
    for _ in range(ROUNDS):
        proofs = {column: rounds.go(column) for column in rounds.columns}
        for column, proof in proofs.items():
            found[column].rotated += proof.rotated
            found[column].undecryptable = proof.undecryptable
        if not any(proof.rotated or proof.overtaken for proof in proofs.values()):
            return found
    raise ConfigurationError(
        "rotate-key: credentials are still being written with the old key. Reload every service "
        "that has it, then run rotate-key again; what has been done stays done."
    )


def check_keys(keys: IntegrationsSettings) -> None:
    """Refuse anything but two different keys.

    Raises:
        ConfigurationError: One is missing, or they are the same.
    """
    if keys.encryption_key is None or keys.previous_encryption_key is None:
        raise ConfigurationError(
            "rotate-key needs both keys: the new one as integrations.encryption_key "
            "(ENCRYPTION_KEY), the old one as integrations.previous_encryption_key "
            "(AUTOGPT_DB_INTEGRATIONS_PREVIOUS_ENCRYPTION_KEY)."
        )
    if keys.encryption_key.reveal() == keys.previous_encryption_key.reveal():
        raise ConfigurationError("rotate-key: the new key is the old one; nothing was changed.")


class _Rounds:
    """Going through columns, as often as it takes."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        keys: IntegrationsSettings,
        schema_name: str,
        *,
        dry_run: bool,
    ) -> None:
        from cryptography.fernet import Fernet

        assert keys.encryption_key is not None
        self.columns = encrypted_columns(connection, schema_name)
        self._connection = connection
        self._dry_run = dry_run
        self._present, self._both = Fernet(keys.encryption_key.reveal()), fernet_of(keys)
        self._place = quoted(schema_name)

    def go(
        self,
        column: EncryptedColumn,
        progress: Callable[[Rotation], None] = lambda _so_far: None,
    ) -> Rotation:
        """Read a whole column, and re-encrypt what is of the previous key."""
        counts = Rotation()
        for batch in self._batches(column):
            changes = list(self._changes(batch, counts))
            counts.texts += len(batch)
            changed = len(changes) if self._dry_run else self._store(column, changes)
            counts.rotated += changed
            counts.overtaken += len(changes) - changed
            progress(counts)
        return counts

    def _changes(self, batch: list[_Stored], counts: Rotation) -> Iterator[tuple[str, str, str]]:
        from cryptography.fernet import InvalidToken

        for row_id, token in batch:
            try:
                self._present.decrypt(token.encode())
                counts.present += 1
                continue
            except InvalidToken:
                pass
            try:
                yield row_id, token, self._both.rotate(token.encode()).decode()
            except InvalidToken:
                counts.undecryptable.append(row_id)

    def _batches(self, column: EncryptedColumn) -> Iterator[list[_Stored]]:
        after = ""
        while True:
            rows = self._connection.execute(
                f"""
                SELECT "id", "{column.column}"
                  FROM {self._place}."{column.table}"
                 WHERE "id" > %s AND "{column.column}" <> ''
                 ORDER BY "id"
                 LIMIT {BATCH}
                """,
                (after,),
            ).fetchall()
            if not rows:
                return
            yield [_Stored(*row) for row in rows]
            after = rows[-1][0]

    def _store(self, column: EncryptedColumn, changes: list[tuple[str, str, str]]) -> int:
        """Replace what is still as it was read; return how many that were."""
        if not changes:
            return 0
        ids, old, new = (list(each) for each in zip(*changes, strict=True))
        return self._connection.execute(
            f"""
            UPDATE {self._place}."{column.table}" AS stored
               SET "{column.column}" = change.new
              FROM unnest(%s::text[], %s::text[], %s::text[]) AS change (id, old, new)
             WHERE stored."id" = change.id AND stored."{column.column}" = change.old
            """,
            (ids, old, new),
        ).rowcount
