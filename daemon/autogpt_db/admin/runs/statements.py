"""What is read of runs: pages of them by an index, and one with its node executions.

Texts of users, the names of graphs among them, are read only where `admin.show_content` allows it
(`%(content)s`); without it `CONTENT` isn't sent at all.
"""

from __future__ import annotations

from typing import LiteralString

PAGE_SIZE = 50
MOST_NODES = 500
"""Node executions of a timeline, the first ones."""
MOST_VALUES = 1000
"""Inputs and outputs that are shown of a run."""
LONGEST_VALUE = 2000
"""Characters of each."""

_SELECT: LiteralString = """
WITH page AS (
    SELECT run."id", run."agentGraphId", run."agentGraphVersion", run."userId", run."createdAt",
           run."startedAt", run."endedAt", run."updatedAt", run."executionStatus"
      FROM platform."AgentGraphExecution" AS run
     WHERE run."createdAt" >= autogpt_db.now_v1() - make_interval(days => %(days)s)
       AND NOT run."isDeleted"
       AND (%(status)s::text IS NULL OR run."executionStatus"::text = %(status)s::text)
       AND (run."createdAt", run."id") < (%(before)s::timestamp, %(before_id)s::text)
"""
_BY_USER: LiteralString = """
       AND run."userId" = %(user)s
"""
_BY_GRAPH: LiteralString = """
       AND run."agentGraphId" = %(graph)s
"""
_BY_CREATION: LiteralString = """
     ORDER BY run."createdAt" DESC, run."id" DESC
"""
# A graph's by its own index and sorted: else PostgreSQL would go through everybody's runs by
# "createdAt" in search of them.
_BY_NO_INDEX: LiteralString = """
     ORDER BY run."createdAt" + interval '0' DESC, run."id" DESC
"""
_PAGE: LiteralString = """
     LIMIT %(limit)s
)
SELECT coalesce(json_agg(json_build_object(
           'id', page."id",
           'status', page."executionStatus",
           'user', page."userId",
           'graph', page."agentGraphId",
           'version', page."agentGraphVersion",
           'name', CASE WHEN %(content)s THEN left(graph."name", 200) END,
           'made', page."createdAt",
           'waited', extract(epoch FROM page."startedAt" - page."createdAt")::float8,
           'took', extract(epoch FROM coalesce(page."endedAt", CASE
               WHEN page."executionStatus" IN ('COMPLETED', 'FAILED', 'TERMINATED')
               THEN page."updatedAt" ELSE autogpt_db.now_v1() END) - page."startedAt")::float8
       ) ORDER BY page."createdAt" DESC, page."id" DESC), '[]')
  FROM page
  LEFT JOIN platform."AgentGraph" AS graph
         ON graph."id" = page."agentGraphId" AND graph."version" = page."agentGraphVersion"
"""

LIST: LiteralString = _SELECT + _BY_CREATION + _PAGE
LIST_BY_USER: LiteralString = _SELECT + _BY_USER + _BY_CREATION + _PAGE
LIST_BY_GRAPH: LiteralString = _SELECT + _BY_GRAPH + _BY_NO_INDEX + _PAGE
LIST_BY_BOTH: LiteralString = _SELECT + _BY_USER + _BY_GRAPH + _BY_CREATION + _PAGE

# Moments as seconds since 1970, in UTC, as the columns are.
RUN: LiteralString = """
SELECT json_build_object(
           'id', run."id",
           'status', run."executionStatus",
           'user', run."userId",
           'graph', run."agentGraphId",
           'version', run."agentGraphVersion",
           'name', CASE WHEN %(content)s THEN left(graph."name", 200) END,
           'now', extract(epoch FROM autogpt_db.now_v1())::float8,
           'made', extract(epoch FROM run."createdAt")::float8,
           'started', extract(epoch FROM run."startedAt")::float8,
           'ended', extract(epoch FROM coalesce(run."endedAt", CASE
               WHEN run."executionStatus" IN ('COMPLETED', 'FAILED', 'TERMINATED')
               THEN run."updatedAt" END))::float8,
           'waiting_reviews', (
               SELECT count(*)
                 FROM platform."PendingHumanReview" AS review
                WHERE review."graphExecId" = run."id" AND review."status" = 'WAITING'),
           'nodes', (
               SELECT count(*)
                 FROM platform."AgentNodeExecution" AS node
                WHERE node."agentGraphExecutionId" = run."id"),
           'timeline', (
               SELECT coalesce(json_agg(bar ORDER BY bar.added, bar.id), '[]')
                 FROM (
                      SELECT node."id" AS id,
                             node."agentNodeId" AS node,
                             block."name" AS block,
                             node."executionStatus" AS status,
                             extract(epoch FROM node."addedTime")::float8 AS added,
                             extract(epoch FROM node."queuedTime")::float8 AS queued,
                             extract(epoch FROM node."startedTime")::float8 AS started,
                             extract(epoch FROM node."endedTime")::float8 AS ended,
                             node."stats" -> 'llm_retry_count' AS retries
                        FROM platform."AgentNodeExecution" AS node
                        LEFT JOIN platform."AgentNode" AS part ON part."id" = node."agentNodeId"
                        LEFT JOIN platform."AgentBlock" AS block ON block."id" = part."agentBlockId"
                       WHERE node."agentGraphExecutionId" = run."id"
                       ORDER BY node."addedTime", node."id"
                       LIMIT %(nodes)s
                      ) AS bar))
  FROM platform."AgentGraphExecution" AS run
  LEFT JOIN platform."AgentGraph" AS graph
         ON graph."id" = run."agentGraphId" AND graph."version" = run."agentGraphVersion"
 WHERE run."id" = %(id)s
   AND NOT run."isDeleted"
"""

CONTENT: LiteralString = """
SELECT coalesce(json_agg(shown ORDER BY shown.moment), '[]')
  FROM (
       SELECT node."id" AS node,
              value."referencedByInputExecId" IS NOT NULL AS input,
              value."name",
              value."time" AS moment,
              left(value."data"::text, %(length)s) AS value
         FROM platform."AgentNodeExecution" AS node
         JOIN platform."AgentNodeExecutionInputOutput" AS value
              ON value."referencedByInputExecId" = node."id"
              OR value."referencedByOutputExecId" = node."id"
        WHERE node."agentGraphExecutionId" = %(id)s
        ORDER BY value."time"
        LIMIT %(values)s
       ) AS shown
"""
