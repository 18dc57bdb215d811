"""`autogpt-db rotate-key`: users' credentials under a new encryption key."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from autogpt_db.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from autogpt_db.database.encryption import EncryptedColumn
    from autogpt_db.database.provisioning.key_rotation import Rotation
    from autogpt_db.settings import Settings


_BETWEEN_LOOKS = 0.5


def rotate_key(
    settings: Settings, *, dry_run: bool, autogpt_stopped: bool = False
) -> Iterator[str]:
    """Re-encrypt all users' credentials; yield what was done, for people.

    Args:
        settings: With the two keys, and where the database is.
        dry_run: Only look.
        autogpt_stopped: Processes that aren't ours are on the database, and may be: they have no
            key, or the new one.

    Raises:
        ConfigurationError: Some could not be decrypted with either key. Or somebody on the database
            doesn't have the keys that it needs: nothing has been changed then.
    """
    from autogpt_db.cli.connecting import connect
    from autogpt_db.database.encryption import ENCRYPTED_COLUMNS
    from autogpt_db.database.provisioning.key_rotation import SHOWN, check_keys, rotate

    check_keys(settings.integrations)
    connection, target = connect(settings, "rotate-key")
    with connection:
        in_the_way = _in_the_way(connection, settings, patient=not dry_run, others=autogpt_stopped)
        if in_the_way and not dry_run:
            raise ConfigurationError(
                *(f"rotate-key: {each}" for each in in_the_way), "Nothing was changed."
            )
        found = rotate(connection, settings.integrations, target.schema, dry_run=dry_run)
        late = [] if dry_run else _in_the_way(connection, settings, patient=True, others=True)
    for column, done in found.items():
        yield from _lines(column, done, dry_run=dry_run)
    for column in ENCRYPTED_COLUMNS:
        if column not in found:
            yield f"{column.table}: this database has no such table"
    if dry_run:
        yield "Nothing was changed."
        yield from (f"In the way of doing it: {each}" for each in in_the_way)
    lost = [
        f"{column.whose} {each}" for column, done in found.items() for each in done.undecryptable
    ]
    if lost:
        shown = ", ".join(lost[:SHOWN])
        more = " …" if len(lost) > SHOWN else ""
        raise ConfigurationError(
            f"{len(lost)} stored texts are decrypted by neither key and were left as they are, "
            f"those of: {shown}{more}. Find the key that they were written with, or have these "
            "users connect their services anew."
        )
    if late:
        raise ConfigurationError(*(f"rotate-key: came up meanwhile: {each}" for each in late))
    if not dry_run:
        yield "All are of the new key: read again as proof. The previous key can be removed."


def _in_the_way(
    connection: psycopg.Connection[Any], settings: Settings, *, patient: bool, others: bool
) -> list[str]:
    """Return who must get the keys, or go, before anything is re-encrypted, in words.

    Args:
        connection: In autocommit mode.
        settings: With the two keys.
        patient: Wait for what was killed to be taken for gone, and for what has just been started
            to say something.
        others: Sessions that aren't ours are no obstacle.
    """
    from autogpt_db.database.pool.key_holders import LEASE, lacking_keys, other_sessions

    found = first = lacking_keys(connection, settings.integrations)
    until = time.monotonic() + (LEASE if patient else 0.0)
    # Who says it once more lives.
    while found and all(each in first for each in found) and time.monotonic() < until:
        time.sleep(_BETWEEN_LOOKS)
        found = lacking_keys(connection, settings.integrations)
    words = [
        f"{who} {what}. Give its daemon both keys (integrations.encryption_key the new one, "
        "previous_encryption_key the old one) and restart it."
        for who, what, _heard in found
    ]
    sessions = [] if others else other_sessions(connection)
    if sessions:
        words.append(
            f"others are on the database: {', '.join(sessions)}. AutoGPT's own processes know one "
            "key, and could read nothing of another's: stop those that have ENCRYPTION_KEY, or "
            "give them the new one; then say --autogpt-stopped."
        )
    return words


def _lines(column: EncryptedColumn, done: Rotation, *, dry_run: bool) -> Iterator[str]:
    yield f"{column.table}.{column.column}: {done.texts}"
    yield f"  of the new key already: {done.present}"
    yield f"  {'would be re-encrypted' if dry_run else 're-encrypted'}: {done.rotated}"
    if done.overtaken:
        yield f"  changed by somebody else meanwhile, and read again: {done.overtaken}"
    yield f"  decrypted by neither key: {len(done.undecryptable)}"
