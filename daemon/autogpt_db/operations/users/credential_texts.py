"""Credentials as they are stored and shown: each one JSON, encrypted, with its release's members.

Twenty are decrypted in 0.2 ms, where a helper process costs the event loop 0.4 ms and the caller
more; so few are decrypted right here. Nothing decrypted is kept: a call is spared 0.2 ms by that at
most, and every process would hold the secrets of all who run agents, instead of one call's.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from autogpt_db.database.encryption import UndecryptableError, decrypter, encrypt
from autogpt_db.errors import (
    ArgumentsInvalidError,
    InvalidValueError,
    ValidationFailedError,
)
from autogpt_db.models.credentials import Credentials
from autogpt_db.signatures.annotations import document_shape_of
from autogpt_db.signatures.detail import Problems
from autogpt_db.signatures.documents import OneOf

if TYPE_CHECKING:
    from collections.abc import Callable

    from autogpt_db.database.capabilities import Capabilities
    from autogpt_db.operations import Database
    from autogpt_db.settings import IntegrationsSettings

MOST_COMPUTED_HERE = 65_536
"""Bytes of stored texts that are worked on right here: 100 usual ones, a millisecond or two."""

_SINCE_0_7_1 = frozenset({"refresh_strategy", "provider_state", "provider_state_version"})

_encode = msgspec.json.Encoder().encode
_rows = msgspec.json.Decoder(list[tuple[str, str]]).decode


class _Kind(msgspec.Struct):
    """What tells which of the models a text is of."""

    type: str


_kind = msgspec.json.Decoder(_Kind).decode


class Opened(NamedTuple):
    """What many stored texts say.

    Attributes:
        documents: Those that are credentials, as one JSON array.
        undecryptable: Ids of those that the keys don't fit.
        malformed: Ids of those that decrypt to something else.
    """

    documents: bytes
    undecryptable: list[str]
    malformed: list[str]


def keys_of(database: Database) -> IntegrationsSettings:
    """Return what credentials are encrypted with.

    Raises:
        InvalidValueError: There is no key.
    """
    keys = database.settings.integrations
    if keys.encryption_key is None:
        raise InvalidValueError(
            "Users' credentials need integrations.encryption_key (ENCRYPTION_KEY); set it."
        )
    return keys


def undecryptable(user_id: str) -> InvalidValueError:
    """Return what says that none of a user's credentials can be decrypted."""
    return InvalidValueError(
        f"The credentials of user {user_id} cannot be decrypted. They were encrypted with "
        "another key than integrations.encryption_key (ENCRYPTION_KEY), or are damaged."
    )


def later_members(kind: str, capabilities: Capabilities) -> dict[str, Any]:
    """Return the members that the database's release has beyond the first one's, by default."""
    found: dict[str, Any] = {}
    if capabilities.tier:
        found |= {"is_managed": False, "metadata": {}}
    if capabilities.expert_runs and kind == "oauth2":
        found |= {
            "refresh_strategy": "oauth_handler",
            "provider_state": None,
            "provider_state_version": None,
        }
    return found


async def computed(
    database: Database, size: int, function: Callable[..., Any], *arguments: Any
) -> Any:
    """Return what a function makes of so many bytes of stored texts, like `Database.computed`."""
    if size <= MOST_COMPUTED_HERE:
        return function(*arguments)
    return await database.computed(size, function, *arguments)


def opened(keys: IntegrationsSettings, rows: bytes, capabilities: Capabilities) -> Opened:
    """Return stored credentials as they are shown.

    Args:
        keys: What they are decrypted with.
        rows: A JSON array of pairs, of a row's id and its text.
        capabilities: What the database has, and so which members its release knows.
    """
    decrypted = decrypter(keys)
    documents: list[bytes] = []
    locked: list[str] = []
    malformed: list[str] = []
    for row_id, token in _rows(rows):
        try:
            documents.append(_shown(decrypted(token), capabilities))
        except UndecryptableError:
            locked.append(row_id)
        except ValidationFailedError:
            malformed.append(row_id)
    return Opened(b"[" + b",".join(documents) + b"]", locked, malformed)


def sealed(keys: IntegrationsSettings, credentials: dict[str, Any]) -> str:
    """Return credentials as a row has them: the whole model, nulls and defaults included."""
    return encrypt(keys, json.dumps(credentials))


def _shown(text: str, capabilities: Capabilities) -> bytes:
    try:
        kind = _kind(text).type
        # Refuses what only the slow way converts, and what isn't declared, to be kept there.
        found = msgspec.json.decode(text, type=_shape().models[kind].fast_type)
    except (msgspec.DecodeError, RecursionError, KeyError):
        return _encode(validated(text, capabilities))
    for name, default in later_members(kind, capabilities).items():
        if getattr(found, name) is msgspec.UNSET:
            setattr(found, name, default)
    return _encode(found)


def validated(text: str, capabilities: Capabilities) -> dict[str, Any]:
    """Return what a decrypted text holds, with the members that its release has.

    Raises:
        ValidationFailedError: It holds no credentials.
    """
    problems = Problems()
    try:
        found = _shape().convert(json.loads(text), ("credentials",), problems)
        problems.raise_any()
    except (ValueError, RecursionError, ArgumentsInvalidError, InvalidValueError):
        # Not the details: they would hold secrets.
        raise ValidationFailedError("The stored text is no credentials.") from None
    assert isinstance(found, dict)
    return later_members(found["type"], capabilities) | found


def known_members(kind: str) -> frozenset[str]:
    """Return the members that a caller of every release knows which has the table."""
    return frozenset(_shape().models[kind].members) - _SINCE_0_7_1


@cache
def _shape() -> OneOf:
    shape = document_shape_of(Credentials, keeps_extra_keys=True)
    assert isinstance(shape, OneOf)
    return shape
