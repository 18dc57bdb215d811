"""Summaries of what a user's executions did and cost."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from autogpt_db import models
from autogpt_db.database.capabilities import ForSchema
from autogpt_db.operations import Database, Reply, Resource, operation

if TYPE_CHECKING:
    from typing import LiteralString

# Costs are in credits, US cents. Of graphs with one name only one can stand in the breakdown: the
# one that ran least recently, as AutoGPT has it.
_UP_TO_V0_6_59: LiteralString = """
WITH run AS MATERIALIZED (
    SELECT "agentGraphId" AS graph_id, "executionStatus" AS status, "createdAt" AS created_at,
           stats.document IS NOT NULL AS has_stats,
           (stats.document ->> 'cost')::float8 / 100 AS dollars,
           (stats.document ->> 'duration')::float8 AS seconds
      FROM platform."AgentGraphExecution"
     CROSS JOIN LATERAL (SELECT autogpt_db.execution_stats_v1("stats") AS document) AS stats
     WHERE "userId" = %(user_id)s
       AND NOT "isDeleted"
       AND "createdAt" BETWEEN %(start_time)s AND %(end_time)s
), graph AS MATERIALIZED (
    SELECT used.graph_id, used.runs, used.last_run, used.last_run_with_stats, used.dollars,
           COALESCE(latest.name, 'Agent ' || left(used.graph_id, 8)) AS name
      FROM (
           SELECT graph_id,
                  count(*) AS runs,
                  max(created_at) AS last_run,
                  max(created_at) FILTER (WHERE has_stats) AS last_run_with_stats,
                  sum(dollars) AS dollars
             FROM run
            GROUP BY graph_id
      ) AS used
      LEFT JOIN LATERAL (
           SELECT COALESCE("name", '') AS name
             FROM platform."AgentGraph"
            WHERE "id" = used.graph_id
            ORDER BY "version" DESC
            LIMIT 1
      ) AS latest ON true
), cost AS (
    SELECT DISTINCT ON (name) name, dollars
      FROM graph
     WHERE last_run_with_stats IS NOT NULL
     ORDER BY name, last_run_with_stats
)
SELECT json_build_object(
           'total_credits_used', COALESCE(sum(dollars), 0),
           'total_executions', count(*),
           'successful_runs', count(*) FILTER (WHERE status = 'COMPLETED'),
           'failed_runs', count(*) FILTER (WHERE status IN ('FAILED', 'TERMINATED')),
           'most_used_agent', COALESCE(
               (SELECT name FROM graph ORDER BY runs DESC, last_run DESC LIMIT 1),
               'No agents used'
           ),
           'total_execution_time', COALESCE(sum(seconds), 0),
           'average_execution_time', COALESCE(avg(seconds), 0),
           'cost_breakdown',
               COALESCE((SELECT json_object_agg(name, dollars ORDER BY name) FROM cost), '{}')
       )
  FROM run
"""


def _number(name: LiteralString) -> LiteralString:
    """Return a number of an execution's stats, or of a text there; anything else is none."""
    return f"""CASE
               WHEN jsonb_typeof("stats" -> '{name}') IN ('number', 'string')
               THEN autogpt_db.lax_number_v1("stats" -> '{name}')
           END"""


# Later releases ask PostgreSQL for it: the stats need not validate as a whole, and graphs of one
# name add up.
_SINCE_V0_6_60: LiteralString = f"""
WITH run AS MATERIALIZED (
    SELECT "agentGraphId" AS graph_id,
           "executionStatus" AS status,
           {_number("cost")} AS credits,
           {_number("walltime")} AS seconds
      FROM platform."AgentGraphExecution"
     WHERE "userId" = %(user_id)s
       AND NOT "isDeleted"
       AND "createdAt" BETWEEN %(start_time)s AND %(end_time)s
), graph AS MATERIALIZED (
    SELECT used.graph_id, used.runs, used.credits,
           COALESCE(latest.name, 'Agent ' || left(used.graph_id, 8)) AS name
      FROM (
           SELECT graph_id, count(*) AS runs, COALESCE(sum(credits), 0) AS credits
             FROM run
            GROUP BY graph_id
      ) AS used
      LEFT JOIN LATERAL (
           SELECT COALESCE("name", '') AS name
             FROM platform."AgentGraph"
            WHERE "id" = used.graph_id
            ORDER BY "version" DESC
            LIMIT 1
      ) AS latest ON true
), cost AS (
    SELECT name, sum(credits) AS credits
      FROM graph
     GROUP BY name
)
SELECT json_build_object(
           'total_credits_used', COALESCE((sum(credits) / 100)::float8, 0),
           'total_executions', count(*),
           'successful_runs', count(*) FILTER (WHERE status = 'COMPLETED'),
           'failed_runs', count(*) FILTER (WHERE status IN ('FAILED', 'TERMINATED')),
           'most_used_agent', COALESCE(
               (SELECT name FROM graph ORDER BY runs DESC, graph_id DESC LIMIT 1),
               'No agents used'
           ),
           'total_execution_time', COALESCE(sum(seconds)::float8, 0),
           'average_execution_time', COALESCE(avg(seconds)::float8, 0),
           'cost_breakdown', COALESCE(
               (SELECT json_object_agg(name, (credits / 100)::float8 ORDER BY name) FROM cost),
               '{{}}'
           )
       )
  FROM run
"""

SUMMARY = ForSchema(
    lambda capabilities: _SINCE_V0_6_60 if capabilities.chat_status else _UP_TO_V0_6_59
)


@operation(reads=True, heavy=True, rest=Resource("/users/{user_id}/summary"))
async def get_user_execution_summary_data(
    database: Database, user_id: str, start_time: datetime, end_time: datetime
) -> Reply[models.UserExecutionSummaryStats]:
    """Sum up a user's executions created in a time range.

    Args:
        user_id: Whose executions.
        start_time: The range's first moment.
        end_time: Its last moment.

    Returns:
        How many there were and how they ended, their credits in dollars and time in seconds, the
        agent used most, and the dollars by agent.
    """
    return await database.json(
        SUMMARY(database.capabilities),
        {"user_id": user_id, "start_time": start_time, "end_time": end_time},
    )
