"""Users' credentials for other services, encrypted where they are stored."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from autogpt_db import models
from autogpt_db.database.encryption import UndecryptableError, decrypt, encrypt
from autogpt_db.errors import (
    ArgumentsInvalidError,
    InvalidValueError,
    RecordNotFoundError,
    ValidationFailedError,
)
from autogpt_db.logs.events import methods as log
from autogpt_db.models.credentials import UserIntegrations as Integrations
from autogpt_db.operations import Database, JsonText, Reply, operation
from autogpt_db.operations.users.credential_texts import keys_of, later_members, undecryptable
from autogpt_db.signatures.annotations import document_shape_of
from autogpt_db.signatures.detail import Problems
from autogpt_db.signatures.repeats import harmless
from autogpt_db.signatures.types import Document

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities
    from autogpt_db.settings import IntegrationsSettings

STORED: LiteralString = """
SELECT "integrations" FROM platform."User" WHERE "id" = %(user_id)s
"""

STORE: LiteralString = """
UPDATE platform."User"
   SET "integrations" = %(integrations)s,
       "updatedAt" = autogpt_db.now_v1()
 WHERE "id" = %(user_id)s
"""

_encode = msgspec.json.Encoder().encode
_INTEGRATIONS = document_shape_of(Integrations, keeps_extra_keys=True)

UserIntegrations = Annotated[JsonText, Document(Integrations, keeps_extra_keys=True)]
"""The whole model; use its `received`, which isn't cleaned."""


@operation(reads=True)
async def get_user_integrations(database: Database, user_id: str) -> Reply[models.UserIntegrations]:
    """Return a user's credentials, secrets in clear text.

    Credentials that cannot be decrypted are an error, never none.

    Args:
        user_id: Whose.

    Raises:
        RecordNotFoundError: There is no such user.
        InvalidValueError: They cannot be decrypted, or there is no key.
        ValidationFailedError: What is stored is no UserIntegrations.
    """
    row = await database.row(STORED, {"user_id": user_id})
    if row is None:
        raise RecordNotFoundError(f"user {user_id}")
    (token,) = row
    capabilities = database.capabilities
    if not token:
        return opened(None, "", capabilities)
    keys = keys_of(database)
    try:
        document: bytes = await database.computed(len(token), opened, keys, token, capabilities)
    except UndecryptableError as error:
        log.credentials_undecryptable(users=1, user_id=user_id)
        raise undecryptable(user_id) from error
    return document


@operation(
    reads=False, repeat=harmless("Stores the same again, over what others have stored since.")
)
async def update_user_integrations(
    database: Database, user_id: str, data: UserIntegrations
) -> None:
    """Replace all of a user's credentials; an unknown user is passed over.

    Members that this service doesn't know are stored as they come.

    Args:
        user_id: Whose.
        data: All that the user is to have.

    Raises:
        InvalidValueError: There is no key to encrypt them with.
    """
    token = await database.computed(len(data.received), sealed, keys_of(database), data.received)
    await database.execute(STORE, {"user_id": user_id, "integrations": token})


def sealed(keys: IntegrationsSettings, text: str) -> str:
    """Return credentials as they are stored: without nulls, encrypted.

    Args:
        keys: What they are encrypted with.
        text: A UserIntegrations as JSON.
    """
    return encrypt(keys, json.dumps(_without_nulls(json.loads(text))))


def opened(keys: IntegrationsSettings | None, token: str, capabilities: Capabilities) -> bytes:
    """Return stored credentials as the JSON of a UserIntegrations.

    Args:
        keys: What they are decrypted with; none are needed for no token.
        token: What is stored; empty for none.
        capabilities: What the database has, and so which members its release knows.

    Raises:
        UndecryptableError: The keys don't fit, or it is damaged.
        ValidationFailedError: It holds something else.
    """
    try:
        content = json.loads(decrypt(keys, token)) if keys is not None else {}
    except ValueError as error:
        raise UndecryptableError("What they decrypt to is no JSON.") from error
    found = _validated(content)
    _add_defaults(found, capabilities)
    return _encode(found)


def _validated(content: Any) -> dict[str, Any]:
    problems = Problems()
    try:
        found = _INTEGRATIONS.convert(content, ("integrations",), problems)
        problems.raise_any()
    except (ArgumentsInvalidError, InvalidValueError) as error:
        # Not the details: they would hold secrets.
        raise ValidationFailedError("The stored credentials are no UserIntegrations.") from error
    assert isinstance(found, dict)
    return found


def _add_defaults(integrations: dict[str, Any], capabilities: Capabilities) -> None:
    """Add the members that the database's release has and the stored credentials lack."""
    for credentials in integrations["credentials"]:
        for name, default in later_members(credentials["type"], capabilities).items():
            credentials.setdefault(name, default)
    if capabilities.push:
        for state in integrations["oauth_states"]:
            state.setdefault("credential_id", None)


def _without_nulls(integrations: dict[str, Any]) -> dict[str, Any]:
    """Drop the declared members that are null; what stands in free-form members stays."""
    return integrations | {
        "managed_credentials": _present(integrations["managed_credentials"]),
        "credentials": [_present(each) for each in integrations["credentials"]],
        "oauth_states": [_present(each) for each in integrations["oauth_states"]],
    }


def _present(members: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in members.items() if value is not None}
