"""Experts, read: by those who run agents, schedule them, and say whose run it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from autogpt_db import models
from autogpt_db.errors import (
    DatabaseUnavailableError,
    ExpertNotFoundError,
    ExpertPrivateTenancyNotFoundError,
)
from autogpt_db.operations import Database, Reply, operation
from autogpt_db.operations.experts.expert_documents import BY_ID, BY_ID_WITHOUT_WORKFLOWS, LIVE
from autogpt_db.operations.experts.expert_spending import weekly_spending
from autogpt_db.operations.users.default_team import FIND, STATEMENTS, find_or_make
from autogpt_db.signatures.bounds import fetch_list, listed
from autogpt_db.signatures.repeats import harmless

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import ForSchema

PROTECTED_RULES = (
    "The expert discloses that it is AI when acting externally.",
    "External actions require approval.",
)
"""What no expert's owner can take out of its soul."""

_EXISTS: LiteralString = """
SELECT EXISTS (
           SELECT
             FROM platform."Expert"
            WHERE "id" = %(expert_id)s AND "ownerUserId" = %(user_id)s AND NOT "isTemplate"
       ),
       pg_is_in_recovery()
"""

_ATTRIBUTABLE: LiteralString = """
SELECT to_json("id")
  FROM platform."Expert"
 WHERE "id" = %(expert_id)s
   AND "ownerUserId" = %(user_id)s
   AND NOT "isTemplate"
   AND NOT "isArchived"
"""

_HOME: LiteralString = f"""
SELECT home.organization_id, home.team_id
  FROM platform."Expert" AS expert
  LEFT JOIN LATERAL ({FIND}) AS home ON true
 WHERE expert."id" = %(expert_id)s
   AND expert."ownerUserId" = %(user_id)s
   AND NOT expert."isTemplate"
   AND NOT expert."isArchived"
   AND expert."visibility" = 'PRIVATE'
"""

_identified = msgspec.json.Decoder(list[tuple[str, msgspec.Raw]])


@operation(reads=True)
async def get_expert(
    database: Database,
    user_id: str,
    expert_id: str,
    include_workflows: bool = True,
    include_archived: bool = False,
) -> Reply[models.Expert | None]:
    """Return one of a user's own private experts, or null.

    Args:
        user_id: Whose expert.
        expert_id: The expert.
        include_workflows: Whether to tell its workflows; else it has none.
        include_archived: Whether an archived one counts, too.
    """
    statement = BY_ID if include_workflows else BY_ID_WITHOUT_WORKFLOWS
    return await one_expert(database, statement, user_id, expert_id, include_archived)


@operation(reads=True)
async def list_experts(database: Database, user_id: str) -> Reply[list[models.Expert]]:
    """List a user's own private experts, without archived ones, in the order of their making.

    Args:
        user_id: Whose experts.

    Raises:
        ResultTooLargeError: The list is longer or larger than the settings allow.
    """
    capabilities = database.capabilities
    found = await fetch_list(
        database,
        listed(LIVE(capabilities)),
        {"user_id": user_id, **_constants(database)},
        narrow="ask for single experts",
    )
    experts = _identified.decode(found)
    documents = [bytes(document) for _, document in experts]
    if capabilities.expert_runs:
        spending = await weekly_spending(database.settings, [expert_id for expert_id, _ in experts])
        documents = list(map(_with_spending, documents, spending))
    return b"[" + b",".join(documents) + b"]"


@operation(reads=True)
async def expert_row_exists(database: Database, user_id: str, expert_id: str) -> bool:
    """Tell whether a user has an expert, archived or not.

    The scheduler deletes the schedules of one that is gone, so that only the primary may say so.

    Args:
        user_id: Whose expert.
        expert_id: The expert.

    Raises:
        DatabaseUnavailableError: This is a standby, which has not got the expert, or not yet.
    """
    row = await database.row(_EXISTS, {"user_id": user_id, "expert_id": expert_id})
    assert row is not None
    exists: bool
    exists, standby = row
    if not exists and standby:
        raise DatabaseUnavailableError(
            f"A standby has no expert {expert_id}, and only the primary can tell that there is "
            "none; try again shortly."
        )
    return exists


@operation(reads=True)
async def resolve_attributable_expert(
    database: Database, user_id: str, expert_id: str | None
) -> Reply[str | None]:
    """Return the id of an expert that a run may be attributed to, or null.

    Args:
        user_id: Who runs something.
        expert_id: The expert that is said to do so: one of the user's, and not archived.
    """
    return await database.json(_ATTRIBUTABLE, {"user_id": user_id, "expert_id": expert_id})


@operation(reads=False, repeat=harmless("Finds what the first call has made."))
async def resolve_private_expert_tenancy(
    database: Database, user_id: str, expert_id: str
) -> tuple[str, str | None]:
    """Return the organization and team that a private expert's runs belong to: its owner's own.

    They are made for a user who has none.

    Args:
        user_id: The expert's owner.
        expert_id: The expert: a private one, and not archived.

    Returns:
        The organization's id, and its default team's or null.

    Raises:
        ExpertNotFoundError: The user has no such expert.
        ExpertPrivateTenancyNotFoundError: The user has no organization, and none could be made.
    """
    row = await database.row(_HOME, {"user_id": user_id, "expert_id": expert_id})
    if row is None:
        raise ExpertNotFoundError(expert_id)
    organization_id, team_id = row
    if organization_id is None:
        organization_id, team_id = await find_or_make(database, STATEMENTS, user_id)
    if organization_id is None:
        raise ExpertPrivateTenancyNotFoundError(expert_id)
    return organization_id, team_id


async def one_expert(
    database: Database,
    statement: ForSchema[LiteralString],
    user_id: str,
    expert_id: str,
    include_archived: bool = False,
) -> bytes | None:
    """Return one of a user's own private experts, or None.

    Args:
        database: A handle for this call.
        statement: `BY_ID`, or another that takes the same.
        user_id: Whose expert.
        expert_id: The expert.
        include_archived: Whether an archived one counts, too.
    """
    capabilities = database.capabilities
    document = await database.json(
        statement(capabilities),
        {
            "user_id": user_id,
            "expert_id": expert_id,
            "include_archived": include_archived,
            **_constants(database),
        },
    )
    if document is None or not capabilities.expert_runs:
        return document
    (spent,) = await weekly_spending(database.settings, [expert_id])
    return _with_spending(document, spent)


def _constants(database: Database) -> dict[str, Any]:
    return {
        "protected_rules": list(PROTECTED_RULES),
        "default_budget": database.settings.experts.weekly_budget,
    }


def _with_spending(document: bytes, spent: int) -> bytes:
    return document[:-1] + b', "weekly_spend" : %d}' % spent
