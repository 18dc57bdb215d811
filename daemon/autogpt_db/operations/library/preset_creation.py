"""Presets, made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec

from autogpt_db import models
from autogpt_db.database.capabilities import ForSchema
from autogpt_db.errors import ExpertPrivateTenancyNotFoundError
from autogpt_db.models import library_arguments
from autogpt_db.operations import Database, JsonText, Reply, operation
from autogpt_db.operations.graphs.graph_access import chosen
from autogpt_db.operations.library.preset_documents import WEBHOOK, preset_document
from autogpt_db.operations.missing import not_found
from autogpt_db.operations.users.default_team import FIND, STATEMENTS, Statements, find_or_make
from autogpt_db.signatures.repeats import harmful
from autogpt_db.signatures.types import Document

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities

LibraryAgentPresetCreatable = Annotated[
    JsonText, Document(library_arguments.LibraryAgentPresetCreatable)
]
"""The whole model."""


class _Graph(msgspec.Struct):
    """What of a preset is looked at here; its inputs may be large, and are passed over."""

    graph_id: str
    graph_version: int


_graph_of = msgspec.json.Decoder(_Graph).decode


class _Creation(NamedTuple):
    """How a preset is made.

    Attributes:
        create: Makes it. Returns whether there are the graph, the webhook, the expert and an
            organization for it, and the preset.
        tenancy: How that organization is found and made; None where an expert needs none.
    """

    create: LiteralString
    tenancy: Statements | None


_EXPERT: LiteralString = """
    SELECT
      FROM platform."Expert" AS expert
     WHERE expert."id" = %(expert_id)s
       AND expert."ownerUserId" = %(user_id)s
       AND NOT expert."isTemplate"
       AND NOT expert."isArchived"
       AND expert."visibility" = 'PRIVATE'
       FOR UPDATE"""


def _creation(capabilities: Capabilities) -> _Creation:
    names: LiteralString = ""
    values: LiteralString = ""
    expert: LiteralString = "SELECT"
    home: LiteralString = "SELECT"
    if capabilities.orgs:
        home = """
    SELECT graph."organizationId" AS organization_id, graph."teamId" AS team_id
      FROM chosen AS graph"""
        names = f"""{names}, "organizationId", "teamId\""""
        values = f"{values}, home.organization_id, home.team_id"
    if capabilities.expert_runs:
        names = f"""{names}, "expertId\""""
        values = f"{values}, %(expert_id)s"
    if capabilities.pods:
        # It stays as it is until the preset is there; both belong to its owner's organization.
        expert = _EXPERT
        home = f"""{home}
     WHERE %(expert_id)s::text IS NULL
     UNION ALL
    SELECT own.organization_id, own.team_id
      FROM ({FIND}) AS own
     WHERE %(expert_id)s::text IS NOT NULL"""
    by_nobody: LiteralString = "%(expert_id)s::text IS NULL OR " if capabilities.pods else ""
    return _Creation(
        f"""
WITH {chosen(capabilities)}, webhook AS MATERIALIZED (
    SELECT
      FROM platform."IntegrationWebhook" AS webhook
     WHERE webhook."id" = %(webhook_id)s AND webhook."userId" = %(user_id)s
), expert AS MATERIALIZED ({expert}
), home AS MATERIALIZED ({home}
), looked AS MATERIALIZED (
    SELECT EXISTS (SELECT FROM chosen) AS has_graph,
           %(webhook_id)s::text IS NULL OR EXISTS (SELECT FROM webhook) AS has_webhook,
           {by_nobody}EXISTS (SELECT FROM expert) AS has_expert,
           EXISTS (SELECT FROM home) AS has_home
), created AS (
    INSERT INTO platform."AgentPreset"
           ("id", "createdAt", "updatedAt", "name", "description", "isActive", "userId",
            "agentGraphId", "agentGraphVersion", "webhookId"{names})
    SELECT gen_random_uuid()::text, autogpt_db.now_v1(), autogpt_db.now_v1(),
           given.preset ->> 'name', given.preset ->> 'description',
           (given.preset -> 'is_active')::boolean, %(user_id)s, graph."id", graph."version",
           %(webhook_id)s{values}
      FROM chosen AS graph
     CROSS JOIN home
     CROSS JOIN looked
     CROSS JOIN (SELECT %(preset)s::jsonb AS preset) AS given
     WHERE looked.has_webhook AND looked.has_expert
    RETURNING *
), entered AS (
    INSERT INTO platform."AgentNodeExecutionInputOutput"
           ("id", "name", "time", "agentPresetId", "data")
    SELECT autogpt_db.ordered_id_v1(0), entry.name, autogpt_db.now_v1(), created."id", entry.data
      FROM created
     CROSS JOIN jsonb_each(
               (%(preset)s::jsonb -> 'inputs') || (%(preset)s::jsonb -> 'credentials')
           ) AS entry (name, data)
    RETURNING *
)
SELECT looked.has_graph, looked.has_webhook, looked.has_expert, looked.has_home,
       (
           SELECT {preset_document(capabilities, "entered", 'entry."name"')}
             FROM created AS preset{WEBHOOK}
       )
  FROM looked
""",
        STATEMENTS if capabilities.pods else None,
    )


CREATION = ForSchema(_creation)


@operation(
    reads=False,
    repeat=harmful("Makes another preset."),
    honoured={"expert_id": "expert_runs"},
)
async def create_preset(
    database: Database,
    user_id: str,
    preset: LibraryAgentPresetCreatable,
    webhook_id: str | None = None,
    expert_id: str | None = None,
) -> Reply[models.LibraryAgentPreset]:
    """Keep what a user runs an agent with.

    From AutoGPT v0.6.67's schema on the preset belongs to its graph's organization and team, and
    from v0.7.2's on an expert's to the user's own organization, which is made for who has none.

    Args:
        user_id: Whose preset.
        preset: The graph, which the user must be able to read, and what it is run with.
        webhook_id: The user's webhook that runs it.
        expert_id: The user's expert that runs it, from v0.7.2's schema on a live private one.

    Raises:
        NotFoundError: There is no such graph for the user, no such webhook or no such expert.
        ForeignKeyViolationError: There is no such user, or, before v0.7.2, expert.
        ExpertPrivateTenancyNotFoundError: The user has no organization, and none could be made.
    """
    capabilities = database.capabilities
    creation = CREATION(capabilities)
    given = _graph_of(preset.encode())
    parameters = {
        "user_id": user_id,
        "preset": preset,
        "webhook_id": webhook_id or None,
        "expert_id": expert_id or None,
        "graph_id": given.graph_id,
        "version": given.graph_version,
        "skip_access_check": False,
        "team_id": None,
        "organization_id": None,
        "platform_base_url": database.settings.integrations.platform_base_url,
    }
    found = await _found(database, creation, parameters)
    if found.is_homeless and creation.tenancy is not None:
        await find_or_make(database, creation.tenancy, user_id)
        found = await _found(database, creation, parameters)
    if not found.has_graph:
        raise not_found(
            capabilities,
            f"Graph #{given.graph_id} v{given.graph_version} not found or not accessible",
        )
    if not found.has_webhook:
        raise not_found(capabilities, f"Webhook #{webhook_id} not found")
    if not found.has_expert:
        raise not_found(capabilities, f"Expert #{expert_id} not found")
    if found.preset is None:
        raise ExpertPrivateTenancyNotFoundError(expert_id or "")
    return found.preset


class _Found(NamedTuple):
    """What `_Creation.create` returns."""

    has_graph: bool
    has_webhook: bool
    has_expert: bool
    has_home: bool
    preset: bytes | None

    @property
    def is_homeless(self) -> bool:
        """Tell whether an organization is all that is missing."""
        return self.has_graph and self.has_webhook and self.has_expert and not self.has_home


async def _found(database: Database, creation: _Creation, parameters: dict[str, Any]) -> _Found:
    row = await database.row(creation.create, parameters)
    assert row is not None, "it is selected from one row"
    return _Found(*row)
