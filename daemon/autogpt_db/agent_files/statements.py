"""What an import reads and writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import LiteralString

USER: LiteralString = """
SELECT "id" FROM platform."User" WHERE "email" = %(email)s
"""
CREATE_USER: LiteralString = """
INSERT INTO platform."User" ("id", "email", "createdAt", "updatedAt")
VALUES (%(user_id)s, %(email)s, autogpt_db.now_v1(), autogpt_db.now_v1())
"""
OWNED_BY_OTHERS: LiteralString = """
SELECT DISTINCT "id"
  FROM platform."AgentGraph"
 WHERE "id" = ANY (%(graph_ids)s::text[]) AND "userId" <> %(user_id)s
"""
PLACES_OF_NODES: LiteralString = """
SELECT "id", "agentGraphId", "agentGraphVersion"
  FROM platform."AgentNode"
 WHERE "id" = ANY (%(ids)s::text[])
"""
PLACES_OF_LINKS: LiteralString = """
SELECT link."id", node."agentGraphId", node."agentGraphVersion"
  FROM platform."AgentNodeLink" AS link
  JOIN platform."AgentNode" AS node ON node."id" = link."agentNodeSourceId"
 WHERE link."id" = ANY (%(ids)s::text[])
"""
CREATE_GRAPH: LiteralString = """
INSERT INTO platform."AgentGraph" AS graph
       ("id", "version", "name", "description", "isActive", "userId", "createdAt", "updatedAt",
        "instructions", "recommendedScheduleCron", "forkedFromId", "forkedFromVersion")
SELECT %(id)s, %(version)s, %(name)s, %(description)s, %(is_active)s, %(user_id)s,
       autogpt_db.now_v1(), autogpt_db.now_v1(), %(instructions)s, %(recommended_schedule_cron)s,
       origin."id", origin."version"
  FROM (VALUES (1)) AS one
  LEFT JOIN platform."AgentGraph" AS origin
    ON origin."id" = %(forked_from_id)s AND origin."version" = %(forked_from_version)s
    ON CONFLICT DO NOTHING
"""
CREATE_BLOCKS: LiteralString = """
INSERT INTO platform."AgentBlock" ("id", "name", "inputSchema", "outputSchema")
SELECT DISTINCT block_id, block_id, '{}', '{}'
  FROM jsonb_to_recordset(%(nodes)s::jsonb) AS node (block_id text)
    ON CONFLICT DO NOTHING
"""
CREATE_NODES: LiteralString = """
INSERT INTO platform."AgentNode"
       ("id", "agentBlockId", "agentGraphId", "agentGraphVersion", "constantInput", "metadata")
SELECT node.id, node.block_id, %(id)s, %(version)s, node.input_default, node.metadata
  FROM ROWS FROM (
           jsonb_to_recordset(%(nodes)s::jsonb)
           AS (id text, block_id text, input_default jsonb, metadata jsonb)
       ) WITH ORDINALITY AS node (id, block_id, input_default, metadata, place)
 ORDER BY node.place
"""
CREATE_LINKS: LiteralString = """
INSERT INTO platform."AgentNodeLink"
       ("id", "agentNodeSourceId", "sourceName", "agentNodeSinkId", "sinkName", "isStatic")
SELECT link.id, link.source_id, link.source_name, link.sink_id, link.sink_name, link.is_static
  FROM ROWS FROM (
           jsonb_to_recordset(%(links)s::jsonb)
           AS (id text, source_id text, source_name text, sink_id text, sink_name text,
               is_static boolean)
       ) WITH ORDINALITY AS link (id, source_id, source_name, sink_id, sink_name, is_static, place)
 ORDER BY link.place
"""
# What a graph that is there already has otherwise than the file. A version that is no longer active
# because a newer one is, is as it should be. Nodes and links are equal if they are as many, and
# none of the file's is without its like.
DIFFERENCES: LiteralString = """
WITH graph AS (
    SELECT *
      FROM platform."AgentGraph"
     WHERE "id" = %(id)s AND "version" = %(version)s
), stored AS (
    SELECT *
      FROM platform."AgentNode"
     WHERE "agentGraphId" = %(id)s AND "agentGraphVersion" = %(version)s
), linked AS (
    SELECT link.*
      FROM stored
      JOIN platform."AgentNodeLink" AS link ON link."agentNodeSourceId" = stored."id"
), compared (what, same) AS (
    SELECT 'name', COALESCE("name", '') = %(name)s FROM graph
    UNION ALL
    SELECT 'description', COALESCE("description", '') = %(description)s FROM graph
    UNION ALL
    SELECT 'instructions', "instructions" IS NOT DISTINCT FROM %(instructions)s FROM graph
    UNION ALL
    SELECT 'recommended_schedule_cron',
           "recommendedScheduleCron" IS NOT DISTINCT FROM %(recommended_schedule_cron)s
      FROM graph
    UNION ALL
    SELECT 'is_active',
           "isActive" = %(is_active)s OR EXISTS (
               SELECT
                 FROM platform."AgentGraph" AS newer
                WHERE newer."id" = %(id)s AND newer."version" > %(version)s AND newer."isActive"
           )
      FROM graph
    UNION ALL
    SELECT 'nodes',
           jsonb_array_length(%(nodes)s::jsonb) = (SELECT count(*) FROM stored)
           AND NOT EXISTS (
               SELECT id, block_id, input_default, metadata
                 FROM jsonb_to_recordset(%(nodes)s::jsonb)
                      AS node (id text, block_id text, input_default jsonb, metadata jsonb)
               EXCEPT
               SELECT "id", "agentBlockId", "constantInput", "metadata" FROM stored
           )
    UNION ALL
    SELECT 'links',
           jsonb_array_length(%(links)s::jsonb) = (SELECT count(*) FROM linked)
           AND NOT EXISTS (
               SELECT id, source_id, source_name, sink_id, sink_name, is_static
                 FROM jsonb_to_recordset(%(links)s::jsonb)
                      AS link (id text, source_id text, source_name text, sink_id text,
                               sink_name text, is_static boolean)
               EXCEPT
               SELECT "id", "agentNodeSourceId", "sourceName", "agentNodeSinkId", "sinkName",
                      "isStatic"
                 FROM linked
           )
)
SELECT what FROM compared WHERE NOT same
"""
# A graph has one active version, its newest: an older one that is imported later stays behind it.
ONE_ACTIVE: LiteralString = """
UPDATE platform."AgentGraph" AS graph
   SET "isActive" = false,
       "updatedAt" = autogpt_db.now_v1()
 WHERE graph."id" = %(id)s
   AND graph."userId" = %(user_id)s
   AND graph."isActive"
   AND EXISTS (
       SELECT
         FROM platform."AgentGraph" AS newer
        WHERE newer."id" = graph."id"
          AND newer."version" > graph."version"
          AND newer."isActive"
   )
RETURNING graph."version"
"""
# The entry that shows the agent goes along to its new version, with what the user has set there; to
# one that isn't active it doesn't.
MOVE_IN_LIBRARY: LiteralString = """
UPDATE platform."LibraryAgent" AS entry
   SET "agentGraphVersion" = CASE
           WHEN graph."isActive" THEN GREATEST(entry."agentGraphVersion", graph."version")
           ELSE entry."agentGraphVersion"
       END,
       "isDeleted" = false,
       "isArchived" = false,
       "updatedAt" = autogpt_db.now_v1()
  FROM platform."AgentGraph" AS graph
 WHERE graph."id" = %(id)s
   AND graph."version" = %(version)s
   AND entry."id" = (
       SELECT "id"
         FROM platform."LibraryAgent"
        WHERE "userId" = %(user_id)s AND "agentGraphId" = %(id)s
        ORDER BY "isDeleted" OR "isArchived", "agentGraphVersion" DESC
        LIMIT 1
       )
"""
# Graphs that the user could run below another one: own ones, published ones, those in the library.
RUNNABLE: LiteralString = """
SELECT named.id, named.version
  FROM unnest(%(ids)s::text[], %(versions)s::integer[]) AS named (id, version)
  JOIN platform."AgentGraph" AS graph
    ON graph."id" = named.id AND graph."version" = named.version
 WHERE graph."userId" = %(user_id)s
    OR EXISTS (
       SELECT
         FROM platform."StoreListingVersion" AS listed
        WHERE listed."agentGraphId" = named.id
          AND listed."agentGraphVersion" = named.version
          AND listed."submissionStatus" = 'APPROVED'
          AND NOT listed."isDeleted"
       )
    OR EXISTS (
       SELECT
         FROM platform."LibraryAgent" AS agent
        WHERE agent."userId" = %(user_id)s
          AND agent."agentGraphId" = named.id
          AND agent."agentGraphVersion" = named.version
          AND NOT agent."isDeleted"
          AND NOT agent."isArchived"
       )
"""
ADD_TO_LIBRARY: LiteralString = """
INSERT INTO platform."LibraryAgent"
       ("id", "createdAt", "updatedAt", "userId", "agentGraphId", "agentGraphVersion",
        "isCreatedByUser")
VALUES (gen_random_uuid()::text, autogpt_db.now_v1(), autogpt_db.now_v1(), %(user_id)s,
        %(id)s, %(version)s, true)
    ON CONFLICT DO NOTHING
"""
