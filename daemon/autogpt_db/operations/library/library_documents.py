"""What a library agent looks like, fitted to what a database has."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities


def installable(version: LiteralString, listing: LiteralString) -> LiteralString:
    """Return the condition that users may add a listing's version to their libraries.

    Args:
        version: The alias of the listing's version.
        listing: The alias of the listing.
    """
    return f"""{version}."submissionStatus" = 'APPROVED'
           AND NOT {version}."isDeleted"
           AND {version}."isAvailable"
           AND NOT {listing}."isDeleted"
        """


def columns(capabilities: Capabilities) -> LiteralString:
    """Return what a document needs of a row, missing columns as what they would say."""
    given: LiteralString = """
           agent."id", agent."agentGraphId", agent."agentGraphVersion", agent."userId",
           agent."imageUrl", agent."createdAt", agent."updatedAt", agent."isFavorite",
           agent."creatorId", """
    folder: LiteralString = 'agent."folderId"' if capabilities.folders else "NULL::text"
    hidden: LiteralString = 'agent."isHidden"' if capabilities.hidden else "false"
    own: LiteralString = """NULL::text AS own_name, NULL::text AS own_description,
           NULL::timestamp AS last_run_at"""
    if capabilities.last_run:
        own = """agent."name" AS own_name, agent."description" AS own_description,
           agent."lastRunAt" AS last_run_at"""
    return f"""{given}{folder} AS folder_id, {hidden} AS is_hidden,
           {own}"""


def document(
    capabilities: Capabilities,
    total: LiteralString = "executions.total",
    listing: LiteralString = "NULL",
) -> LiteralString:
    """Return the document of an `agent` with its `graph`, `creator` and `executions`.

    Args:
        capabilities: What the database has.
        total: How many executions the agent has had.
        listing: Where it stands in the marketplace.
    """
    folder: LiteralString = "NULL"
    if capabilities.folders:
        folder = """(
               SELECT folder."name" FROM platform."LibraryFolder" AS folder
                WHERE folder."id" = agent.folder_id
           )"""
    last_run: LiteralString = ""
    if capabilities.last_run:
        last_run = """
           'last_run_at', autogpt_db.iso_v1(agent.last_run_at),"""
    offer: LiteralString = ""
    if capabilities.pods:
        offer = f"""
           'store_listing_version_id', (
               SELECT version."id"
                 FROM platform."StoreListingVersion" AS version
                 JOIN platform."StoreListing" AS listing
                      ON listing."id" = version."storeListingId"
                WHERE version."agentGraphId" = agent."agentGraphId"
                  AND version."agentGraphVersion" = agent."agentGraphVersion"
                  AND {installable("version", "listing")}
                ORDER BY version."createdAt" DESC, version."id" DESC
                LIMIT 1
           ),"""
    return f"""
       json_build_object(
           'id', agent."id",
           'graph_id', agent."agentGraphId",
           'graph_version', agent."agentGraphVersion",
           'owner_user_id', agent."userId",
           'image_url', agent."imageUrl",
           'creator_name', COALESCE(creator."name", 'Unknown'),
           'creator_image_url', COALESCE(creator."avatarUrl", ''),
           'status', CASE
               WHEN executions.failed THEN 'ERROR'
               WHEN executions.queued THEN 'WAITING'
               WHEN executions.running THEN 'HEALTHY'
               ELSE 'COMPLETED'
           END,
           'created_at', autogpt_db.iso_v1(agent."createdAt"),
           'updated_at', autogpt_db.iso_v1(
               GREATEST(agent."updatedAt", graph."updatedAt")
           ),{last_run}
           'name', COALESCE(agent.own_name, graph."name", ''),
           'description', COALESCE(agent.own_description, graph."description", ''),
           'instructions', graph."instructions",
           'input_schema', '{{"type": "object", "properties": {{}}, "required": []}}'::json,
           'output_schema', '{{"type": "object", "properties": {{}}, "required": []}}'::json,
           'credentials_input_schema', NULL,
           'has_external_trigger', false,
           'has_human_in_the_loop', false,
           'has_sensitive_action', false,
           'trigger_setup_info', NULL,
           'new_output', COALESCE(executions.new_output, false),
           'execution_count', {total},
           'success_rate', executions.success_rate,
           'avg_correctness_score', executions.correctness_score,
           'recent_executions', COALESCE(executions.recent, '[]'),
           'can_access_graph', graph."userId" = agent."userId",
           'is_latest_version', true,
           'is_favorite', agent."isFavorite",
           'folder_id', agent.folder_id,
           'folder_name', {folder},
           'is_hidden', agent.is_hidden,
           'recommended_schedule_cron', graph."recommendedScheduleCron",
           'is_scheduled', false,
           'next_scheduled_run', NULL,{offer}
           'settings', agent.settings,
           'marketplace_listing', {listing}
       )"""


def latest_executions(condition: LiteralString) -> LiteralString:
    """Return the query that tells of the ten latest executions of an `agent`'s graph.

    Args:
        condition: Which of them are looked at.
    """
    return f"""
       SELECT count(*) AS total,
              bool_or(latest.status = 'FAILED') AS failed,
              bool_or(latest.status = 'QUEUED') AS queued,
              bool_or(latest.status = 'RUNNING') AS running,
              bool_or(
                  latest.status = 'COMPLETED'
                  AND latest.created_at > autogpt_db.now_v1() - interval '7 days'
              ) AS new_output,
              (count(*) FILTER (WHERE latest.status = 'COMPLETED'))::float8
                  / NULLIF(count(*), 0) * 100 AS success_rate,
              avg(latest.correctness_score) AS correctness_score,
              json_agg(json_build_object(
                  'status', latest.status,
                  'correctness_score', latest.correctness_score,
                  'activity_summary', latest.activity_summary
              ) ORDER BY latest.created_at DESC) AS recent
         FROM (
              SELECT "executionStatus" AS status,
                     "createdAt" AS created_at,
                     CASE jsonb_typeof("stats" -> 'correctness_score')
                         WHEN 'number' THEN autogpt_db.lax_number_v1(
                             "stats" -> 'correctness_score'
                         )::float8
                     END AS correctness_score,
                     CASE jsonb_typeof("stats" -> 'activity_status')
                         WHEN 'string' THEN "stats" ->> 'activity_status'
                     END AS activity_summary
                FROM platform."AgentGraphExecution"
               WHERE {condition}
                 AND "userId" = agent."userId"
                 AND "agentGraphId" = agent."agentGraphId"
                 AND "agentGraphVersion" = agent."agentGraphVersion"
               ORDER BY "createdAt" DESC
               LIMIT 10
         ) AS latest
    """


NO_EXECUTIONS: LiteralString = """
       SELECT 0 AS total, false AS failed, false AS queued, false AS running,
              false AS new_output, NULL::float8 AS success_rate,
              NULL::float8 AS correctness_score, NULL::json AS recent
    """
"""The same where nobody has looked at any."""
