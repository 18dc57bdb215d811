"""What a preset looks like, fitted to what a database has."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities

STORED: LiteralString = 'platform."AgentNodeExecutionInputOutput"'
"""Where presets' inputs are."""

_IS_CREDENTIAL: LiteralString = """(
                      entry."name" = 'credentials' OR right(entry."name", 12) = '_credentials'
                  )"""
_IS_REFERENCE: LiteralString = """COALESCE(
                      jsonb_typeof(entry."data" -> 'id') = 'string'
                      AND jsonb_typeof(entry."data" -> 'provider') = 'string'
                      AND entry."data" ->> 'type'
                          IN ('api_key', 'oauth2', 'user_password', 'host_scoped')
                      AND COALESCE(jsonb_typeof(entry."data" -> 'title'), 'null')
                          IN ('string', 'null'),
                      false
                  )"""


def preset_document(
    capabilities: Capabilities, entries: LiteralString = STORED, order: LiteralString = "entry.ctid"
) -> LiteralString:
    """Return the document of a row of "AgentPreset" AS preset with its `webhook`.

    Of inputs of one name the last one counts.

    Args:
        capabilities: What the database has.
        entries: Where its inputs are.
        order: Their order.
    """
    tenancy: LiteralString = ""
    of_webhook: LiteralString = ""
    if capabilities.orgs:
        tenancy = """
           'organization_id', preset."organizationId",
           'team_id', preset."teamId","""
        of_webhook = """
                   'organization_id', webhook."organizationId",
                   'team_id', webhook."teamId","""
    expert: LiteralString = ""
    if capabilities.expert_runs:
        expert = """,
           'expert_id', preset."expertId\""""
    return f"""
       json_build_object(
           'graph_id', preset."agentGraphId",
           'graph_version', preset."agentGraphVersion",
           'inputs', COALESCE(
               (
                   SELECT jsonb_object_agg(
                              entry."name", COALESCE(entry."data", 'null') ORDER BY {order}
                          )
                     FROM {entries} AS entry
                    WHERE entry."agentPresetId" = preset."id"
                      AND NOT {_IS_CREDENTIAL}
               ),
               '{{}}'
           ),
           'credentials', COALESCE(
               (
                   SELECT jsonb_object_agg(
                              entry."name",
                              jsonb_build_object(
                                  'id', entry."data" -> 'id',
                                  'title', entry."data" -> 'title',
                                  'provider',
                                      autogpt_db.provider_v1(entry."data" ->> 'provider'),
                                  'type', entry."data" -> 'type'
                              )
                              ORDER BY {order}
                          )
                     FROM {entries} AS entry
                    WHERE entry."agentPresetId" = preset."id"
                      AND {_IS_CREDENTIAL}
                      AND {_IS_REFERENCE}
               ),
               '{{}}'
           ),
           'name', preset."name",
           'description', preset."description",
           'is_active', preset."isActive",
           'id', preset."id",
           'user_id', preset."userId",
           'created_at', autogpt_db.iso_v1(preset."createdAt"),
           'updated_at', autogpt_db.iso_v1(preset."updatedAt"),{tenancy}
           'webhook_id', preset."webhookId",
           'webhook', CASE WHEN webhook."id" IS NOT NULL THEN json_build_object(
                   'id', webhook."id",
                   'user_id', webhook."userId",
                   'provider', webhook."provider",
                   'credentials_id', webhook."credentialsId",
                   'webhook_type', webhook."webhookType",
                   'resource', webhook."resource",
                   'events', to_json(webhook."events"),
                   'config', autogpt_db.as_object_v1(webhook."config"),
                   'secret', '',{of_webhook}
                   'provider_webhook_id', '',
                   'url', %(platform_base_url)s::text || '/api/integrations/' || webhook."provider"
                       || '/webhooks/' || webhook."id" || '/ingress'
               ) END{expert}
       )"""


WEBHOOK: LiteralString = """
  LEFT JOIN platform."IntegrationWebhook" AS webhook ON webhook."id" = preset."webhookId\""""
"""What its document needs beside a `preset`."""


def unreadable(presets: LiteralString) -> LiteralString:
    """Return the query for credentials' names that presets leave out: what isn't a reference.

    Args:
        presets: The rows of "AgentPreset".
    """
    return f"""
       SELECT array_agg(preset."id" || ': ' || entry."name" ORDER BY preset."id", entry."name")
         FROM {presets} AS preset
         JOIN {STORED} AS entry ON entry."agentPresetId" = preset."id"
        WHERE {_IS_CREDENTIAL}
          AND NOT {_IS_REFERENCE}"""
