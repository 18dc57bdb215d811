"""What makes an expert who it is, changed by its owner or by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db import models
from autogpt_db.errors import ExpertNotFoundError, InvalidValueError, ValidationFailedError
from autogpt_db.operations import Database, Reply, operation
from autogpt_db.operations.experts.expert_documents import BY_ID_WITHOUT_WORKFLOWS
from autogpt_db.operations.experts.experts import one_expert
from autogpt_db.signatures.repeats import harmless

if TYPE_CHECKING:
    from typing import LiteralString

LONGEST_IDENTITY = 10_000
LONGEST_OTHER = 4_000

_SET: LiteralString = """
UPDATE platform."Expert" AS expert
   SET "identity" = COALESCE(%(identity)s, expert."identity"),
       "voicePreferences" = COALESCE(%(voice_preferences)s, expert."voicePreferences"),
       "boundaries" = COALESCE(%(boundaries)s, expert."boundaries"),
       "updatedAt" = autogpt_db.now_v1()
 WHERE expert."id" = %(expert_id)s
   AND expert."ownerUserId" = %(user_id)s
   AND NOT expert."isTemplate"
   AND NOT expert."isArchived\""""
UPDATE: LiteralString = f"""{_SET}
RETURNING expert."id"
"""
UPDATE_IF_CURRENT: LiteralString = f"""{_SET}
   AND (%(identity)s::text IS NULL OR expert."identity" = %(expected_identity)s)
   AND (
       %(voice_preferences)s::text IS NULL
       OR expert."voicePreferences" = %(expected_voice_preferences)s
   )
   AND (%(boundaries)s::text IS NULL OR expert."boundaries" = %(expected_boundaries)s)
RETURNING expert."id"
"""


@operation(reads=False, repeat=harmless("Writes the same again."))
async def update_soul_fields(
    database: Database,
    user_id: str,
    expert_id: str,
    identity: str | None = None,
    voice_preferences: str | None = None,
    boundaries: str | None = None,
) -> Reply[models.Expert]:
    """Change what makes an expert who it is; what is null stays, and white space around is cut off.

    Args:
        user_id: Whose expert.
        expert_id: The expert, not an archived one.
        identity: Who it is, in 1 to 10,000 characters.
        voice_preferences: How it speaks, in up to 4,000 characters.
        boundaries: What it doesn't do, in up to 4,000 characters.

    Returns:
        The expert without its workflows.

    Raises:
        ExpertNotFoundError: The user has no such expert; or it isn't private, and has been changed.
        InvalidValueError: Nothing is given.
        ValidationFailedError: A text is blank or too long.
    """
    fields = _fields(identity, voice_preferences, boundaries)
    owned = {"user_id": user_id, "expert_id": expert_id}
    if await database.row(UPDATE, {**owned, **fields}) is None:
        raise ExpertNotFoundError(expert_id)
    expert = await one_expert(database, BY_ID_WITHOUT_WORKFLOWS, user_id, expert_id)
    if expert is None:
        raise ExpertNotFoundError(expert_id)
    return expert


@operation(reads=False, repeat=harmless("Changes nothing more, and returns false."))
async def update_soul_fields_if_current(
    database: Database,
    user_id: str,
    expert_id: str,
    identity: str | None = None,
    voice_preferences: str | None = None,
    boundaries: str | None = None,
    expected_identity: str | None = None,
    expected_voice_preferences: str | None = None,
    expected_boundaries: str | None = None,
) -> bool:
    """Change what makes an expert who it is, if it still is what the caller has seen.

    Args:
        user_id: Whose expert.
        expert_id: The expert, not an archived one.
        identity: Who it is, in 1 to 10,000 characters.
        voice_preferences: How it speaks, in up to 4,000 characters.
        boundaries: What it doesn't do, in up to 4,000 characters.
        expected_identity: Its present identity, if that is to be changed.
        expected_voice_preferences: Its present voice preferences, likewise.
        expected_boundaries: Its present boundaries, likewise.

    Returns:
        Whether it was changed: false where something of it is otherwise, or there is none.

    Raises:
        InvalidValueError: Nothing is given, or something without what is expected in its place.
        ValidationFailedError: A text is blank or too long.
    """
    fields = _fields(identity, voice_preferences, boundaries)
    expected = {
        "identity": expected_identity,
        "voice_preferences": expected_voice_preferences,
        "boundaries": expected_boundaries,
    }
    for name, text in fields.items():
        if text is not None and expected[name] is None:
            raise InvalidValueError(f"expected_{name} must be provided to change {name}")
    row = await database.row(
        UPDATE_IF_CURRENT,
        {
            "user_id": user_id,
            "expert_id": expert_id,
            **fields,
            **{f"expected_{name}": text for name, text in expected.items()},
        },
    )
    return row is not None


def _fields(
    identity: str | None, voice_preferences: str | None, boundaries: str | None
) -> dict[str, str | None]:
    fields = {
        "identity": identity,
        "voice_preferences": voice_preferences,
        "boundaries": boundaries,
    }
    if all(text is None for text in fields.values()):
        raise InvalidValueError("At least one Soul field must be provided")
    trimmed = {name: None if text is None else text.strip() for name, text in fields.items()}
    if trimmed["identity"] == "":
        raise ValidationFailedError("identity: Field must not be blank")
    for name, text in trimmed.items():
        longest = LONGEST_IDENTITY if name == "identity" else LONGEST_OTHER
        if text is not None and len(text) > longest:
            raise ValidationFailedError(f"{name}: String should have at most {longest} characters")
    return trimmed
