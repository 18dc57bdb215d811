"""Re-encrypting what users have stored, from the previous key to the present one.

It takes no lock and needs no pause: each user's text is replaced only if it is still the one that
was read, so whatever the service writes meanwhile, with the present key, stays. A run that was
ended goes on where it was, because a text tells which key it is of.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from autogpt_db.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import psycopg

    from autogpt_db.settings import IntegrationsSettings

BATCH = 200
"""Users in one transaction."""
SHOWN = 20
"""Users that are named when their credentials cannot be decrypted."""
ROUNDS = 5
"""Times that everything is read until nothing is of the previous key any more."""


@dataclass
class Rotation:
    """What has been found and done.

    Attributes:
        users: Users with stored credentials.
        present: Of them, whose credentials were of the present key already.
        rotated: Whose credentials have been re-encrypted, or in a dry run would be.
        overtaken: Whose credentials somebody else changed at that moment; they are read again.
        undecryptable: Whose credentials neither key decrypts: left as they are.
    """

    users: int = 0
    present: int = 0
    rotated: int = 0
    overtaken: int = 0
    undecryptable: list[str] = field(default_factory=list)


class _Stored(NamedTuple):
    user_id: str
    token: str


def rotate(
    connection: psycopg.Connection[Any],
    keys: IntegrationsSettings,
    schema_name: str,
    *,
    dry_run: bool = False,
    progress: Callable[[Rotation], None] = lambda _so_far: None,
) -> Rotation:
    """Re-encrypt all users' credentials with the present key, then read all again as proof.

    Args:
        connection: In autocommit mode, without prepared statements.
        keys: The present key and the previous one.
        schema_name: The schema of AutoGPT's tables.
        dry_run: Only look.
        progress: Told the counts after each batch of the first round.

    Returns:
        The counts of the first round; nothing is of the previous key any more after it, unless it
        was a dry run.

    Raises:
        ConfigurationError: A key is missing, or somebody goes on writing with the previous key.
    """
    if keys.encryption_key is None or keys.previous_encryption_key is None:
        raise ConfigurationError(
            "rotate-key needs both keys: the new one as integrations.encryption_key "
            "(ENCRYPTION_KEY), the old one as integrations.previous_encryption_key "
            "(AUTOGPT_DB_INTEGRATIONS_PREVIOUS_ENCRYPTION_KEY)."
        )
    if keys.encryption_key.reveal() == keys.previous_encryption_key.reveal():
        raise ConfigurationError("rotate-key: the new key is the old one; nothing was changed.")
    place = '"' + schema_name.replace('"', '""') + '"'
    first = _round(connection, keys, place, dry_run=dry_run, progress=progress)
    if dry_run:
        return first
    for _ in range(ROUNDS):
        proof = _round(connection, keys, place, dry_run=False)
        if not proof.rotated and not proof.overtaken:
            first.undecryptable = proof.undecryptable
            return first
        first.rotated += proof.rotated
    raise ConfigurationError(
        "rotate-key: credentials are still being written with the old key. Reload every service "
        "that has it, then run rotate-key again; what has been done stays done."
    )


def _round(
    connection: psycopg.Connection[Any],
    keys: IntegrationsSettings,
    place: str,
    *,
    dry_run: bool,
    progress: Callable[[Rotation], None] = lambda _so_far: None,
) -> Rotation:
    from cryptography.fernet import Fernet, InvalidToken

    from autogpt_db.database.encryption import fernet_of

    assert keys.encryption_key is not None
    present, both = Fernet(keys.encryption_key.reveal()), fernet_of(keys)
    counts = Rotation()
    for batch in _batches(connection, place):
        changes: list[tuple[str, str, str]] = []
        for user_id, token in batch:
            try:
                present.decrypt(token.encode())
                counts.present += 1
                continue
            except InvalidToken:
                pass
            try:
                changes.append((user_id, token, both.rotate(token.encode()).decode()))
            except InvalidToken:
                counts.undecryptable.append(user_id)
        counts.users += len(batch)
        changed = len(changes) if dry_run else _store(connection, place, changes)
        counts.rotated += changed
        counts.overtaken += len(changes) - changed
        progress(counts)
    return counts


def _batches(connection: psycopg.Connection[Any], place: str) -> Iterator[list[_Stored]]:
    after = ""
    while True:
        rows = connection.execute(
            f"""
            SELECT "id", "integrations"
              FROM {place}."User"
             WHERE "id" > %s AND "integrations" <> ''
             ORDER BY "id"
             LIMIT {BATCH}
            """,
            (after,),
        ).fetchall()
        if not rows:
            return
        yield [_Stored(*row) for row in rows]
        after = rows[-1][0]


def _store(
    connection: psycopg.Connection[Any], place: str, changes: list[tuple[str, str, str]]
) -> int:
    """Replace what is still as it was read; return how many that were."""
    if not changes:
        return 0
    ids, old, new = (list(column) for column in zip(*changes, strict=True))
    return connection.execute(
        f"""
        UPDATE {place}."User" AS stored
           SET "integrations" = change.new
          FROM unnest(%s::text[], %s::text[], %s::text[]) AS change (id, old, new)
         WHERE stored."id" = change.id AND stored."integrations" = change.old
        """,
        (ids, old, new),
    ).rowcount
