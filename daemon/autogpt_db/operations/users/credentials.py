"""Users' credentials for other services, a row each, encrypted (from AutoGPT v0.6.67 on)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db import models
from autogpt_db.logs.events import methods as log
from autogpt_db.operations import Database, Reply, operation
from autogpt_db.operations.short_lists import fetch_short_list, short_list
from autogpt_db.operations.users.credential_texts import computed, keys_of, opened, undecryptable

if TYPE_CHECKING:
    from autogpt_db.operations.users.credential_texts import Opened

NARROW = "revoke some of them"
MOST_NAMED = 20
"""Rows that one event names."""

ACTIVE = short_list(
    """
              SELECT json_build_array(stored."id", stored."encryptedPayload") AS document
                FROM platform."IntegrationCredential" AS stored
               WHERE stored."ownerType" = 'USER'
                 AND stored."ownerId" = %(user_id)s
                 AND stored."status" = 'active'
               ORDER BY stored."createdAt", stored."id"
    """,
    "user_id",
)


@operation(reads=True)
async def get_user_credentials(database: Database, user_id: str) -> Reply[list[models.Credentials]]:
    """Return a user's credentials, secrets in clear text, the oldest first.

    One that cannot be decrypted, or is none, is left out and logged. Where not a single one can be
    decrypted, it is an error, never none. Members that this service doesn't know are shown as they
    are stored.

    Args:
        user_id: Whose; an unknown user has none.

    Raises:
        InvalidValueError: None can be decrypted, or there is no key.
        ResultTooLargeError: They are more than the settings allow.
    """
    rows = await fetch_short_list(database, ACTIVE, {"user_id": user_id}, narrow=NARROW)
    if rows == b"[]":
        return rows
    found: Opened = await computed(
        database, len(rows), opened, keys_of(database), rows, database.capabilities
    )
    tell_of_unreadable(user_id, found.undecryptable, found.malformed)
    # The key is the right one where it fits any, be it of one that is none: whoever has that alone
    # would otherwise be refused for ever, and could not store another either.
    if found.undecryptable and found.documents == b"[]" and not found.malformed:
        raise undecryptable(user_id)
    return found.documents


def tell_of_unreadable(user_id: str, undecryptable: list[str], malformed: list[str]) -> None:
    """Log which of a user's stored credentials cannot be read.

    Args:
        user_id: Whose.
        undecryptable: Ids of those that the keys don't fit.
        malformed: Ids of those that decrypt to something else.
    """
    if undecryptable:
        log.credentials_undecryptable(
            users=1,
            user_id=user_id,
            texts=len(undecryptable),
            credentials=undecryptable[:MOST_NAMED],
        )
    if malformed:
        log.credentials_malformed(
            user_id=user_id,
            texts=len(malformed),
            credentials=malformed[:MOST_NAMED],
        )
