"""`autogpt-db rotate-key`: users' credentials under a new encryption key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autogpt_db.database.encryption import EncryptedColumn
    from autogpt_db.database.key_rotation import Rotation
    from autogpt_db.settings import Settings


def rotate_key(settings: Settings, *, dry_run: bool) -> Iterator[str]:
    """Re-encrypt all users' credentials; yield what was done, for people.

    Raises:
        ConfigurationError: Some could not be decrypted with either key.
    """
    from autogpt_db.cli.connecting import connect
    from autogpt_db.database.encryption import ENCRYPTED_COLUMNS
    from autogpt_db.database.key_rotation import SHOWN, rotate

    connection, target = connect(settings, "rotate-key")
    with connection:
        found = rotate(connection, settings.integrations, target.schema, dry_run=dry_run)
    for column, done in found.items():
        yield from _lines(column, done, dry_run=dry_run)
    for column in set(ENCRYPTED_COLUMNS) - set(found):
        yield f"{column.table}: this database has no such table"
    if dry_run:
        yield "Nothing was changed."
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
    if not dry_run:
        yield "All are of the new key: read again as proof. The previous key can be removed."


def _lines(column: EncryptedColumn, done: Rotation, *, dry_run: bool) -> Iterator[str]:
    yield f"{column.table}.{column.column}: {done.texts}"
    yield f"  of the new key already: {done.present}"
    yield f"  {'would be re-encrypted' if dry_run else 're-encrypted'}: {done.rotated}"
    if done.overtaken:
        yield f"  changed by somebody else meanwhile, and read again: {done.overtaken}"
    yield f"  decrypted by neither key: {len(done.undecryptable)}"
