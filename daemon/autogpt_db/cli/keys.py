"""`autogpt-db rotate-key`: users' credentials under a new encryption key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autogpt_db.database.key_rotation import Rotation
    from autogpt_db.settings import Settings


def rotate_key(settings: Settings, *, dry_run: bool) -> Iterator[str]:
    """Re-encrypt all users' credentials; yield what was done, for people.

    Raises:
        ConfigurationError: Some could not be decrypted with either key.
    """
    from autogpt_db.cli.connecting import connect
    from autogpt_db.database.key_rotation import SHOWN, rotate

    connection, target = connect(settings, "rotate-key")
    with connection:
        done = rotate(connection, settings.integrations, target.schema, dry_run=dry_run)
    yield from _lines(done, dry_run=dry_run)
    if done.undecryptable:
        shown = ", ".join(done.undecryptable[:SHOWN])
        more = " …" if len(done.undecryptable) > SHOWN else ""
        raise ConfigurationError(
            f"the credentials of {len(done.undecryptable)} users are decrypted by neither key and "
            f"were left as they are: {shown}{more}. Find the key that they were written with, or "
            "have these users connect their services anew."
        )


def _lines(done: Rotation, *, dry_run: bool) -> Iterator[str]:
    yield f"users with credentials: {done.users}"
    yield f"of the new key already: {done.present}"
    yield f"{'would be re-encrypted' if dry_run else 're-encrypted'}: {done.rotated}"
    if done.overtaken:
        yield f"changed by somebody else meanwhile, and read again: {done.overtaken}"
    yield f"decrypted by neither key: {len(done.undecryptable)}"
    if dry_run:
        yield "Nothing was changed."
    elif not done.undecryptable:
        yield "All are of the new key: read again as proof. The previous key can be removed."
