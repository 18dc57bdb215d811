"""Users' libraries: the agents they have made or taken from the marketplace."""

from __future__ import annotations

from autogpt_db.errors import AgentNotFoundError, InvalidInputError
from autogpt_db.operations import Database, LibraryAgentSort, PageSize, operation
from autogpt_db.operations.repeats import harmless

LONGEST_SEARCH_TERM = 100

# Nodes aren't looked at, so the schemas are those of a graph without inputs and outputs.
_AGENT = """
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
           'updated_at', autogpt_db.iso_v1(GREATEST(agent."updatedAt", graph."updatedAt")),
           'name', COALESCE(graph."name", ''),
           'description', COALESCE(graph."description", ''),
           'instructions', graph."instructions",
           'input_schema', '{"type": "object", "properties": {}, "required": []}'::json,
           'output_schema', '{"type": "object", "properties": {}, "required": []}'::json,
           'credentials_input_schema', NULL,
           'has_external_trigger', false,
           'has_human_in_the_loop', false,
           'has_sensitive_action', false,
           'trigger_setup_info', NULL,
           'new_output', COALESCE(executions.new_output, false),
           'execution_count', executions.total,
           'success_rate', executions.success_rate,
           'avg_correctness_score', executions.correctness_score,
           'recent_executions', COALESCE(executions.recent, '[]'),
           'can_access_graph', graph."userId" = agent."userId",
           'is_latest_version', true,
           'is_favorite', agent."isFavorite",
           'recommended_schedule_cron', graph."recommendedScheduleCron",
           'settings', agent.settings,
           'marketplace_listing', NULL
       )"""

# An agent whose settings don't validate is counted but not shown. Among equals the page's order is
# that of reading, the same for every page.
LIST = f"""
WITH found AS (
    SELECT agent."id", agent."agentGraphId", agent."agentGraphVersion", agent."userId",
           agent."imageUrl", agent."createdAt", agent."updatedAt", agent."isFavorite",
           agent."creatorId", agent."settings", agent.ctid AS place
      FROM platform."LibraryAgent" AS agent
      JOIN platform."AgentGraph" AS graph
           ON graph."id" = agent."agentGraphId" AND graph."version" = agent."agentGraphVersion"
     WHERE agent."userId" = %(user_id)s
       AND NOT agent."isDeleted"
       AND NOT agent."isArchived"
       AND (
           %(search_term)s::text IS NULL
           OR graph."name" ILIKE '%%' || %(search_term)s::text || '%%'
           OR graph."description" ILIKE '%%' || %(search_term)s::text || '%%'
       )
), shown AS (
    SELECT found."id", "agentGraphId", "agentGraphVersion", "userId", "imageUrl", "createdAt",
           "updatedAt", "isFavorite", "creatorId",
           autogpt_db.library_settings_v1("settings") AS settings,
           row_number() OVER (
               ORDER BY CASE WHEN %(by_creation)s THEN "createdAt" END,
                        CASE WHEN NOT %(by_creation)s THEN "updatedAt" END DESC,
                        place
           ) AS number
      FROM found
     ORDER BY number
     LIMIT %(page_size)s OFFSET (%(page)s::bigint - 1) * %(page_size)s
)
SELECT json_build_object(
           'agents', COALESCE((
               SELECT json_agg({_AGENT} ORDER BY agent.number)
                 FROM shown AS agent
                 JOIN platform."AgentGraph" AS graph
                      ON graph."id" = agent."agentGraphId"
                         AND graph."version" = agent."agentGraphVersion"
                 LEFT JOIN platform."Profile" AS creator ON creator."id" = agent."creatorId"
                CROSS JOIN LATERAL (
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
                              WHERE %(include_executions)s
                                AND "userId" = agent."userId"
                                AND "agentGraphId" = agent."agentGraphId"
                                AND "agentGraphVersion" = agent."agentGraphVersion"
                              ORDER BY "createdAt" DESC
                              LIMIT 10
                        ) AS latest
                ) AS executions
                WHERE agent.settings IS NOT NULL
           ), '[]'),
           'pagination', json_build_object(
               'total_items', (SELECT count(*) FROM found),
               'total_pages',
                   ((SELECT count(*) FROM found) + %(page_size)s - 1) / %(page_size)s,
               'current_page', %(page)s::integer,
               'page_size', %(page_size)s::integer
           )
       )
"""

# What was there is returned as it was. The conflict is with somebody who adds the same one now.
ADD = f"""
WITH offered AS (
    SELECT graph."id", graph."version"
      FROM platform."StoreListingVersion" AS version
      JOIN platform."AgentGraph" AS graph
           ON graph."id" = version."agentGraphId" AND graph."version" = version."agentGraphVersion"
     WHERE version."id" = %(store_listing_version_id)s
       AND (
           graph."userId" = %(user_id)s
           OR EXISTS (
               SELECT
                 FROM platform."StoreListingVersion" AS listed
                WHERE listed."agentGraphId" = graph."id"
                  AND listed."agentGraphVersion" = graph."version"
                  AND listed."submissionStatus" = 'APPROVED'
                  AND NOT listed."isDeleted"
           )
       )
), present AS (
    SELECT agent.*
      FROM platform."LibraryAgent" AS agent
      JOIN offered
           ON offered."id" = agent."agentGraphId" AND offered."version" = agent."agentGraphVersion"
     WHERE agent."userId" = %(user_id)s
), restored AS (
    UPDATE platform."LibraryAgent" AS agent
       SET "isDeleted" = false,
           "updatedAt" = autogpt_db.now_v1()
      FROM present
     WHERE agent."id" = present."id" AND agent."isDeleted"
), added AS (
    INSERT INTO platform."LibraryAgent" AS agent
           ("id", "createdAt", "updatedAt", "userId", "agentGraphId", "agentGraphVersion",
            "isCreatedByUser", "useGraphIsActiveVersion", "settings")
    SELECT gen_random_uuid()::text, autogpt_db.now_v1(), autogpt_db.now_v1(), %(user_id)s,
           offered."id", offered."version", false, false,
           '{{"human_in_the_loop_safe_mode": true, "sensitive_action_safe_mode": false}}'
      FROM offered
     WHERE NOT EXISTS (SELECT FROM present)
        ON CONFLICT ("userId", "agentGraphId", "agentGraphVersion") DO UPDATE
       SET "isDeleted" = false
    RETURNING agent.*
)
SELECT {_AGENT}
  FROM (
       SELECT row."id", row."agentGraphId", row."agentGraphVersion", row."userId",
              row."imageUrl", row."createdAt", row."updatedAt", row."isFavorite",
              COALESCE(
                  autogpt_db.library_settings_v1(row."settings"),
                  autogpt_db.library_settings_v1('{{}}')
              ) AS settings
         FROM (SELECT * FROM present UNION ALL SELECT * FROM added) AS row
  ) AS agent
  JOIN platform."AgentGraph" AS graph
       ON graph."id" = agent."agentGraphId" AND graph."version" = agent."agentGraphVersion"
 CROSS JOIN (SELECT NULL::text AS "name", NULL::text AS "avatarUrl") AS creator
 CROSS JOIN (
       SELECT 0 AS total, false AS failed, false AS queued, false AS running,
              false AS new_output, NULL::float8 AS success_rate,
              NULL::float8 AS correctness_score, NULL::json AS recent
  ) AS executions
"""


@operation(reads=True, heavy=True)
async def list_library_agents(
    database: Database,
    user_id: str,
    search_term: str | None = None,
    sort_by: LibraryAgentSort = LibraryAgentSort.UPDATED_AT,
    page: int = 1,
    page_size: PageSize = 50,
    include_executions: bool = False,
) -> bytes | None:
    """List a page of a user's library, without deleted and archived agents.

    Args:
        user_id: Whose library.
        search_term: Text in an agent's name or description, letter case aside; `%` and `_` stand
            for any text and any character.
        sort_by: `createdAt`, oldest first, or `updatedAt`, newest first.
        page: The page's number, from 1.
        page_size: Agents on a page.
        include_executions: Whether to look at each agent's ten latest executions; without them an
            agent has none.

    Raises:
        InvalidInputError: The page or its size is less than 1, or the search term is too long.
    """
    if page < 1 or page_size < 1:
        raise InvalidInputError("Invalid pagination input")
    if search_term and len(search_term.strip()) > LONGEST_SEARCH_TERM:
        raise InvalidInputError("Search term is too long")
    return await database.json(
        LIST,
        {
            "user_id": user_id,
            "search_term": search_term or None,
            "by_creation": sort_by is LibraryAgentSort.CREATED_AT,
            "page": page,
            "page_size": page_size,
            "include_executions": include_executions,
        },
    )


@operation(reads=False, repeat=harmless("Returns the agent that is there."))
async def add_store_agent_to_library(
    database: Database, store_listing_version_id: str, user_id: str
) -> bytes:
    """Put the graph of a marketplace listing into a user's library, or take it back out of the bin.

    Args:
        store_listing_version_id: The listing's version.
        user_id: Whose library.

    Returns:
        The library's agent; one that was there already as it was before.

    Raises:
        AgentNotFoundError: There is no such version, or the user may not read its graph.
        ForeignKeyViolationError: There is no such user.
    """
    document = await database.json(
        ADD, {"store_listing_version_id": store_listing_version_id, "user_id": user_id}
    )
    if document is None:
        raise AgentNotFoundError(f"Store listing version {store_listing_version_id} not found")
    return document
