"""Who sees rows that belong to organizations and teams: the rule that methods share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities


def visible(
    capabilities: Capabilities,
    row: LiteralString,
    *,
    user_id: LiteralString = "%(user_id)s",
    organization_id: LiteralString = "%(organization_id)s",
) -> LiteralString:
    """Return the condition that a user sees a row for an organization that the caller names.

    It is the user's own, of that organization or of none; or the organization's, without a team or
    of a team in which the user is active. That the user belongs to the organization is the caller's
    to know. Where no row has an organization, only the user's own are seen.

    Args:
        capabilities: What the database has.
        row: The alias of a table with "userId", "organizationId" and "teamId".
        user_id: The user, as SQL.
        organization_id: The organization, as SQL; an empty one is one that no row has.
    """
    if not capabilities.orgs:
        return f'{row}."userId" = {user_id}'
    return f"""(
        ({row}."userId" = {user_id}
            AND ({row}."organizationId" = {organization_id} OR {row}."organizationId" IS NULL))
        OR ({row}."organizationId" = {organization_id}
            AND ({row}."teamId" IS NULL OR EXISTS (
                SELECT
                  FROM platform."TeamMember" AS member
                  JOIN platform."Team" AS team ON team."id" = member."teamId"
                 WHERE member."teamId" = {row}."teamId"
                   AND member."userId" = {user_id}
                   AND member."status" = 'ACTIVE'
                   AND team."orgId" = {organization_id}
            )))
       )"""
