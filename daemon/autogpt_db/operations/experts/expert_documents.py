"""What an expert looks like, in the members that the database's release has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.database.capabilities import ForSchema

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities

_NO_WORKFLOWS: LiteralString = "'[]'::json"


def private(capabilities: Capabilities) -> LiteralString:
    """Return the condition that an expert is nobody's but its owner's (from v0.7.1's schema on).

    Args:
        capabilities: What the database has.
    """
    return (
        """
   AND expert."visibility" = 'PRIVATE'"""
        if capabilities.expert_runs
        else ""
    )


def _workflows(capabilities: Capabilities) -> LiteralString:
    schedule: LiteralString = ""
    if capabilities.expert_runs:
        schedule = """,
                         'schedule_cron', workflow."scheduleCron",
                         'schedule_id', workflow."scheduleId\""""
    return f"""COALESCE(
               (
                   SELECT json_agg(
                     json_build_object(
                         'id', workflow."id",
                         'store_listing_version_id', workflow."storeListingVersionId",
                         'library_agent_id', workflow."libraryAgentId",
                         'graph_id', agent."agentGraphId",
                         'name', CASE
                             WHEN listed."id" IS NULL THEN agent."name" ELSE listed."name"
                         END,
                         'description', CASE
                             WHEN listed."id" IS NULL THEN agent."description"
                             ELSE listed."description"
                         END{schedule}
                     ) ORDER BY workflow."createdAt", workflow."id"
                   )
                     FROM platform."ExpertWorkflow" AS workflow
                     LEFT JOIN platform."StoreListingVersion" AS listed
                          ON listed."id" = workflow."storeListingVersionId"
                     LEFT JOIN platform."LibraryAgent" AS agent
                          ON agent."id" = workflow."libraryAgentId"
                    WHERE workflow."expertId" = expert."id"
               ),
               '[]'
           )"""


# What an expert has spent this week is Redis's to know, and added by whoever asks.
def _document(capabilities: Capabilities, workflows: LiteralString) -> LiteralString:
    soul: LiteralString = ""
    runs: LiteralString = ""
    pod: LiteralString = ""
    joined: LiteralString = ""
    if capabilities.expert_runs:
        soul = """
           'voice_preferences', expert."voicePreferences",
           'boundaries', expert."boundaries","""
        runs = """,
           'last_run_at', autogpt_db.iso_v1(latest."createdAt"),
           'last_run_status', latest."executionStatus",
           'weekly_budget', NULLIF(
               GREATEST(COALESCE(expert."weeklyBudget", %(default_budget)s::integer), 0), 0
           ),
           'schedules_paused_at', autogpt_db.iso_v1(expert."schedulesPausedAt")"""
        joined = """
  LEFT JOIN LATERAL (
       SELECT execution."createdAt", execution."executionStatus"
         FROM platform."AgentGraphExecution" AS execution
        WHERE execution."expertId" = expert."id" AND NOT execution."isDeleted"
        ORDER BY execution."createdAt" DESC
        LIMIT 1
  ) AS latest ON true"""
    if capabilities.pods:
        pod = """,
           'color', expert."color",
           'pod_id', expert."podId\""""
    return f"""
SELECT json_build_object(
           'id', expert."id",
           'name', expert."name",
           'avatar_url', expert."avatarUrl",
           'role', expert."role",
           'tagline', expert."tagline",
           'bio', expert."bio",
           'skills', expert."skills",
           'identity', expert."identity",{soul}
           'voice_samples', '[]'::json,
           'protected_soul_rules', %(protected_rules)s::text[],
           'is_template', expert."isTemplate",
           'source_template_id', expert."sourceTemplateId",
           'is_archived', expert."isArchived",
           'workflows', {workflows}{runs}{pod}
       ) AS document
  FROM platform."Expert" AS expert{joined}
 WHERE expert."ownerUserId" = %(user_id)s
   AND NOT expert."isTemplate"{private(capabilities)}"""


def _one(capabilities: Capabilities, workflows: LiteralString) -> LiteralString:
    return f"""{_document(capabilities, workflows)}
   AND expert."id" = %(expert_id)s
   AND (%(include_archived)s OR NOT expert."isArchived")
"""


def _live(capabilities: Capabilities) -> LiteralString:
    return f"""
SELECT json_build_array(found.document -> 'id', found.document) AS document
  FROM ({_document(capabilities, _workflows(capabilities))}
   AND NOT expert."isArchived"
 ORDER BY expert."createdAt", expert."id"
       ) AS found
"""


BY_ID = ForSchema(lambda capabilities: _one(capabilities, _workflows(capabilities)))
BY_ID_WITHOUT_WORKFLOWS = ForSchema(lambda capabilities: _one(capabilities, _NO_WORKFLOWS))
LIVE = ForSchema(_live)
"""Of each of a user's experts, its id and its document."""
