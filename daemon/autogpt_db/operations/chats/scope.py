"""Which chat sessions an organization's members see of their own: its, and those of none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.database.capabilities import ForSchema

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities


def _organization(capabilities: Capabilities, others: LiteralString = "") -> LiteralString:
    # Where sessions belong to no organization, all are everybody's own.
    if not capabilities.orgs:
        return "(%(organization_id)s::text IS NULL OR true)"
    return f"""(
           %(organization_id)s::text IS NULL
           OR session."organizationId" = %(organization_id)s
           OR session."organizationId" IS NULL{others}
       )"""


IN_ORGANIZATION = ForSchema(_organization)
"""The condition on "ChatSession" AS session that its messages are seen."""


def _listed(capabilities: Capabilities) -> LiteralString:
    # From v0.7.2 on an expert's chats are seen from everywhere.
    if not capabilities.pods:
        return _organization(capabilities)
    return _organization(
        capabilities,
        """
           OR session."expertId" IS NOT NULL""",
    )


LISTED_IN_ORGANIZATION = ForSchema(_listed)
"""The condition that it is listed, counted and deleted."""
