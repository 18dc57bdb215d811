"""Replacing a user's credentials: what stays, what is new, and what is revoked."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from autogpt_db.database.encryption import UndecryptableError, decrypter
from autogpt_db.errors import InvalidValueError
from autogpt_db.models.credentials import Credentials
from autogpt_db.operations import Database, JsonText, operation
from autogpt_db.operations.received import refuse_nul
from autogpt_db.operations.users import default_team
from autogpt_db.operations.users.credential_texts import (
    computed,
    keys_of,
    known_members,
    later_members,
    sealed,
    undecryptable,
)
from autogpt_db.operations.users.credentials import tell_of_unreadable
from autogpt_db.signatures.bounds import check_items
from autogpt_db.signatures.repeats import harmless
from autogpt_db.signatures.types import Document

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities
    from autogpt_db.settings import IntegrationsSettings, LimitsSettings

# AutoGPT's callers hold a lock in Redis while they read and replace; this one holds for all others.
_LOCK: LiteralString = """
SELECT pg_advisory_xact_lock(hashtextextended('credentials of ' || %(user_id)s, 0))
"""

# Whoever re-encrypts a text waits, and then finds that it has changed.
_STORED: LiteralString = """
SELECT stored."id", stored."encryptedPayload", stored."displayName", stored."status" = 'active'
  FROM platform."IntegrationCredential" AS stored
 WHERE stored."ownerType" = 'USER'
   AND stored."ownerId" = %(user_id)s
   AND (stored."status" = 'active' OR stored."id" = ANY(%(given)s::text[]))
 ORDER BY stored."id"
   FOR NO KEY UPDATE
"""

# All of it or, where there are new ones and no organization to put them in, nothing. New ones are a
# millisecond apart, in the order in which they are shown.
_STORE: LiteralString = f"""
WITH given AS MATERIALIZED (
    SELECT given.*
      FROM unnest(
               %(ids)s::text[], %(providers)s::text[], %(kinds)s::text[], %(names)s::text[],
               %(texts)s::text[], %(new)s::boolean[]
           ) WITH ORDINALITY AS given (id, provider, kind, name, payload, is_new, place)
), moment AS MATERIALIZED (
    SELECT autogpt_db.now_v1() AS now
), home AS MATERIALIZED (
    SELECT own.organization_id AS id
      FROM ({default_team.FIND}) AS own
), possible AS MATERIALIZED (
    SELECT
     WHERE EXISTS (SELECT FROM home) OR NOT EXISTS (SELECT FROM given WHERE given.is_new)
), changed AS (
    UPDATE platform."IntegrationCredential" AS stored
       SET "encryptedPayload" = given.payload,
           "displayName" = given.name,
           "status" = 'active',
           "updatedAt" = moment.now
      FROM given, moment, possible
     WHERE stored."id" = given.id AND NOT given.is_new
), revoked AS (
    UPDATE platform."IntegrationCredential" AS stored
       SET "status" = 'revoked',
           "updatedAt" = moment.now
      FROM moment, possible
     WHERE stored."id" = ANY(%(revoked)s::text[])
), added AS (
    INSERT INTO platform."IntegrationCredential"
           ("id", "organizationId", "ownerType", "ownerId", "provider", "credentialType",
            "displayName", "encryptedPayload", "createdByUserId", "createdAt", "updatedAt")
    SELECT given.id, home.id, 'USER'::platform."CredentialOwnerType", %(user_id)s,
           given.provider, given.kind, given.name, given.payload, %(user_id)s,
           moment.now
               - (cardinality(%(ids)s::text[]) - given.place) * interval '1 millisecond',
           moment.now
      FROM given, home, moment
     WHERE given.is_new
     ORDER BY given.place
)
SELECT EXISTS (SELECT FROM possible)
"""

UserCredentials = Annotated[JsonText, Document(list[Credentials], keeps_extra_keys=True)]
"""The whole models; use their `received`, which isn't cleaned."""


class _Stored(NamedTuple):
    id: str
    token: str
    name: str
    is_active: bool


@dataclass
class Changes:
    """What is to be written.

    Attributes:
        ids: Of the rows that are made or changed; the other lists go with them.
        providers: Whose services they are for.
        kinds: Their types.
        names: What people see.
        texts: The encrypted texts.
        new: Whether the row is made.
        revoked: Ids of the rows that are revoked.
        undecryptable: Ids of the stored rows that the keys don't fit.
        malformed: Ids of those that decrypt to something else.
    """

    ids: list[str] = field(default_factory=list)
    providers: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    new: list[bool] = field(default_factory=list)
    revoked: list[str] = field(default_factory=list)
    undecryptable: list[str] = field(default_factory=list)
    malformed: list[str] = field(default_factory=list)


@operation(
    reads=False,
    repeat=harmless("Stores the same again, and revokes what others have added since."),
)
async def set_user_credentials(
    database: Database, user_id: str, credentials: UserCredentials
) -> None:
    """Replace all of a user's credentials: all of it, or nothing.

    Calls for one user queue up. What isn't given any more is revoked, and nothing deleted. New ones
    belong to the user's own organization, which is made for a user who has none. Members that this
    service or the caller's release doesn't know stay.

    Args:
        user_id: Whose.
        credentials: All that the user is to have. One without an id gets a new one.

    Raises:
        InvalidValueError: None of those that are stored can be decrypted, there is no key, or the
            user has no organization and none can be made.
        UniqueViolationError: A new one's id is somebody else's, or comes twice.
        LimitExceededError: They are more than the settings allow.
    """
    text = credentials.received
    given = await computed(database, len(text), ids_of, text, database.settings.limits)
    for _ in range(2):
        if await _replaced(database, user_id, given, text):
            return
        organization, _team = await default_team.find_or_make(
            database, default_team.STATEMENTS, user_id
        )
        if organization is None:
            break
    raise InvalidValueError(
        f"User {user_id} has no organization of their own, to which new credentials would belong, "
        "and none could be made: is there such a user?"
    )


async def _replaced(database: Database, user_id: str, given: list[str], text: str) -> bool:
    """Replace them; False where new ones have no organization to be in, and nothing was done."""
    parameters = {"user_id": user_id, "given": given}
    async with database.transaction() as transaction:
        await transaction.execute(_LOCK, parameters)
        stored = [_Stored(*row) for row in await transaction.rows(_STORED, parameters)]
        changes = Changes(revoked=[row.id for row in stored if row.is_active])
        if given:
            size = len(text) + sum(len(row.token) for row in stored)
            changes = await computed(
                database, size, changes_of, keys_of(database), stored, text, database.capabilities
            )
            tell_of_unreadable(user_id, changes.undecryptable, changes.malformed)
            active = {row.id for row in stored if row.is_active}
            if active and active <= set(changes.undecryptable):
                raise undecryptable(user_id)
        if not changes.ids and not changes.revoked:
            return True
        row = await transaction.row(_STORE, {"user_id": user_id, **vars(changes)})
    return row == (True,)


def ids_of(text: str, limits: LimitsSettings) -> list[str]:
    """Return the ids of given credentials, which can be stored.

    Args:
        text: A list of them, validated, as JSON.
        limits: How many there may be.

    Raises:
        LimitExceededError: They are too many.
        InvalidValueError: A text of one can be in no column.
    """
    given: list[dict[str, Any]] = json.loads(text)
    check_items({"credentials": given}, limits)
    for place, each in enumerate(given):
        refuse_nul(
            f"credentials.{place}", {name: each[name] for name in ("id", "provider", "title")}
        )
    return [each["id"] for each in given]


def changes_of(
    keys: IntegrationsSettings, stored: Iterable[_Stored], text: str, capabilities: Capabilities
) -> Changes:
    """Return what is to be written so that a user has what is given.

    Args:
        keys: What stored texts are decrypted with, and new ones encrypted.
        stored: The user's active rows, and others that are given.
        text: A list of credentials, validated, as JSON. Of a stored one that comes twice the last
            counts.
        capabilities: What the database has, and so which members its release knows.
    """
    given: list[dict[str, Any]] = json.loads(text)
    decrypted = decrypter(keys)
    changes = Changes()
    contents: dict[str, dict[str, Any]] = {}
    rows = {row.id: row for row in stored}
    for row in rows.values():
        try:
            content = json.loads(decrypted(row.token))
        except UndecryptableError:
            changes.undecryptable.append(row.id)
        except (ValueError, RecursionError):
            changes.malformed.append(row.id)
        else:
            if isinstance(content, dict):
                contents[row.id] = content
            else:
                changes.malformed.append(row.id)
    known = {each["id"]: each for each in given if each["id"] in rows}
    new = [each for each in given if each["id"] not in rows]
    for each in (*known.values(), *new):
        content = contents.get(each["id"], {})
        whole = _whole(each, content, capabilities)
        name = each["title"] or each["provider"]
        before = rows.get(each["id"])
        if (
            before is not None
            and before.is_active
            and before.name == name
            and _same(whole, content)
        ):
            continue
        changes.ids.append(each["id"])
        changes.providers.append(each["provider"])
        changes.kinds.append(each["type"])
        changes.names.append(name)
        changes.texts.append(sealed(keys, whole))
        changes.new.append(before is None)
    changes.revoked = [row.id for row in rows.values() if row.is_active and row.id not in known]
    return changes


def _whole(
    given: dict[str, Any], stored: Mapping[str, Any], capabilities: Capabilities
) -> dict[str, Any]:
    """Return what is stored: given members, and those that the caller's release doesn't know."""
    kind = given["type"]
    known = known_members(kind)
    kept = {
        name: value
        for name, value in stored.items()
        if stored.get("type") == kind and name not in known
    }
    return later_members(kind, capabilities) | kept | given


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    # To Python 1, 1.0 and true are the same.
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
