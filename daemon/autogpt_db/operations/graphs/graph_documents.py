"""The statements that make documents of graphs, nodes and links."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.database.capabilities import ForSchema
from autogpt_db.operations import FEW_CALLS, Merged
from autogpt_db.operations.graphs.blocks import AGENT_EXECUTOR_BLOCK
from autogpt_db.operations.graphs.graph_access import chosen

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities

_LINK: LiteralString = """
    link."id" AS id,
    link."agentNodeSourceId" AS source_id,
    link."agentNodeSinkId" AS sink_id,
    link."sourceName" AS source_name,
    link."sinkName" AS sink_name,
    link."isStatic" AS is_static"""


def _links(condition: LiteralString) -> LiteralString:
    return f"""COALESCE((
        SELECT json_agg(found)
          FROM (
                SELECT {_LINK}
                  FROM platform."AgentNodeLink" AS link
                 WHERE {condition}
                 ORDER BY link.ctid
               ) AS found
    ), '[]')"""


# A Node; what a NodeModel has beyond it follows.
_NODE: LiteralString = f"""
    node."id" AS id,
    node."agentBlockId" AS block_id,
    autogpt_db.as_object_v1(node."constantInput") AS input_default,
    autogpt_db.as_object_v1(node."metadata") AS metadata,
    {_links('link."agentNodeSinkId" = node."id"')} AS input_links,
    {_links('link."agentNodeSourceId" = node."id"')} AS output_links"""
_NODE_MODEL: LiteralString = f"""{_NODE},
    node."agentGraphId" AS graph_id,
    node."agentGraphVersion" AS graph_version,
    node."webhookId" AS webhook_id"""

NODE = Merged(
    single=f"""
SELECT row_to_json(result)
  FROM (SELECT {_NODE_MODEL} FROM platform."AgentNode" AS node WHERE "id" = %(node_id)s) AS result
""",
    batch=f"""
SELECT call.place, row_to_json(result)
  FROM json_to_recordset(%(calls)s::json) AS call (place integer, node_id text)
 CROSS JOIN LATERAL (
        SELECT {_NODE_MODEL}
          FROM platform."AgentNode" AS node
         WHERE node."id" = call.node_id
       ) AS result
 WHERE {FEW_CALLS}
""",
    texts=("node_id",),
    reads=True,
)
"""Reads a node by its id."""

CONNECTED: LiteralString = f"""
SELECT COALESCE(
           json_agg(json_build_array(row_to_json(found), row_to_json(sink)) ORDER BY place), '[]'
       )
  FROM (
        SELECT link.ctid AS place, link.*
          FROM platform."AgentNodeLink" AS link
         WHERE "agentNodeSourceId" = %(node_id)s
       ) AS link
  JOIN platform."AgentNode" AS node ON node."id" = link."agentNodeSinkId"
 CROSS JOIN LATERAL (SELECT {_LINK}) AS found
 CROSS JOIN LATERAL (SELECT {_NODE_MODEL}) AS sink
"""

_BASE: LiteralString = """
    graph."id" AS id,
    graph."version" AS version,
    graph."isActive" AS is_active,
    COALESCE(graph."name", '') AS name,
    COALESCE(graph."description", '') AS description,
    """
_PROVENANCE: LiteralString = """
    graph."instructions" AS instructions,
    graph."recommendedScheduleCron" AS recommended_schedule_cron,
    graph."forkedFromId" AS forked_from_id,
    graph."forkedFromVersion" AS forked_from_version,"""

METADATA: LiteralString = f"""
SELECT row_to_json(result)
  FROM (
        SELECT {_BASE}
               NULL AS instructions,
               NULL AS recommended_schedule_cron,
               NULL AS forked_from_id,
               NULL AS forked_from_version,
               '[]'::json AS nodes,
               '[]'::json AS links,
               '[]'::json AS sub_graphs
          FROM platform."AgentGraph" AS graph
         WHERE "id" = %(graph_id)s
           AND (%(version)s::integer IS NULL OR "version" = %(version)s)
         ORDER BY "version" DESC
         LIMIT 1
       ) AS result
"""


def _nodes_and_links(columns: LiteralString) -> LiteralString:
    return f"""
    COALESCE((
        SELECT json_agg(found)
          FROM (
                SELECT {columns}
                  FROM platform."AgentNode" AS node
                 WHERE node."agentGraphId" = graph."id"
                   AND node."agentGraphVersion" = graph."version"
                 ORDER BY node.ctid
               ) AS found
    ), '[]') AS nodes,
    COALESCE((
        SELECT json_agg(found)
          FROM (
                SELECT {_LINK}
                  FROM platform."AgentNodeLink" AS link
                 WHERE link."id" IN (
                       SELECT touching."id"
                         FROM platform."AgentNode" AS node
                         JOIN platform."AgentNodeLink" AS touching
                           ON touching."agentNodeSourceId" = node."id"
                        WHERE node."agentGraphId" = graph."id"
                          AND node."agentGraphVersion" = graph."version"
                        UNION
                       SELECT touching."id"
                         FROM platform."AgentNode" AS node
                         JOIN platform."AgentNodeLink" AS touching
                           ON touching."agentNodeSinkId" = node."id"
                        WHERE node."agentGraphId" = graph."id"
                          AND node."agentGraphVersion" = graph."version"
                       )
                 ORDER BY link.ctid
               ) AS found
    ), '[]') AS links"""


def graph_columns(capabilities: Capabilities) -> LiteralString:
    """Return the columns of a GraphModel but for its nodes and links."""
    tenancy: LiteralString = (
        """graph."organizationId" AS organization_id,
    graph."teamId" AS team_id"""
        if capabilities.orgs
        else """NULL::text AS organization_id,
    NULL::text AS team_id"""
    )
    return f"""{_BASE}{_PROVENANCE}
    graph."userId" AS user_id,
    autogpt_db.iso_v1(graph."createdAt") AS created_at,
    {tenancy}"""


def graph_model(capabilities: Capabilities) -> LiteralString:
    """Return the select list of a GraphModel, of the row `graph`; those below it are left out."""
    return f"""{graph_columns(capabilities)},{_nodes_and_links(_NODE_MODEL)}"""


def graph_statement(capabilities: Capabilities, choosing: LiteralString) -> LiteralString:
    """Return the statement that reads a graph without those below it.

    Args:
        capabilities: What the database has.
        choosing: The common table expression of the one graph, `chosen`.
    """
    return f"""
WITH {choosing}
SELECT row_to_json(result)
  FROM (
        SELECT {graph_model(capabilities)}, '[]'::json AS sub_graphs FROM chosen AS graph
       ) AS result
"""


GRAPH = ForSchema(lambda capabilities: graph_statement(capabilities, chosen(capabilities)))
"""Reads a graph without those below it."""


# One row of `walk` is one level: the graphs found on it, and the ids of all found so far. Of two
# versions of a graph on one level both are followed, and the one read last is shown.
def graph_statement_with_sub_graphs(
    capabilities: Capabilities, choosing: LiteralString
) -> LiteralString:
    """Return the statement that reads a graph with those below it.

    Beside it comes whether one of them is named by no number.

    Args:
        capabilities: What the database has.
        choosing: The common table expression of the one graph, `chosen`.
    """
    return f"""
WITH RECURSIVE {choosing}, walk AS (
    SELECT 0 AS level, ARRAY[graph."id"] AS seen,
           ARRAY[graph."id"] AS ids, ARRAY[graph."version"] AS versions,
           false AS malformed
      FROM chosen AS graph
     UNION ALL
    SELECT walk.level + 1, walk.seen || below.ids, below.ids, below.versions, below.malformed
      FROM walk
     CROSS JOIN LATERAL (
            SELECT array_agg(sub_graph."id" ORDER BY named.place)
                       FILTER (WHERE sub_graph."id" IS NOT NULL) AS ids,
                   array_agg(sub_graph."version" ORDER BY named.place)
                       FILTER (WHERE sub_graph."id" IS NOT NULL) AS versions,
                   COALESCE(bool_or(named.version IS NULL), false) AS malformed
              FROM (
                    SELECT node.ctid AS place,
                           constant.input ->> 'graph_id' AS id,
                           CASE jsonb_typeof(constant.input -> 'graph_version')
                               WHEN 'number' THEN (constant.input -> 'graph_version')::numeric
                           END AS version
                      FROM unnest(walk.ids, walk.versions) AS above (id, version)
                      JOIN platform."AgentNode" AS node
                        ON node."agentGraphId" = above.id
                       AND node."agentGraphVersion" = above.version
                       AND node."agentBlockId" = '{AGENT_EXECUTOR_BLOCK}'
                     CROSS JOIN LATERAL (
                            SELECT autogpt_db.as_object_v1(node."constantInput") AS input
                           ) AS constant
                     WHERE autogpt_db.truthy_v1(constant.input -> 'graph_id')
                       AND autogpt_db.truthy_v1(constant.input -> 'graph_version')
                   ) AS named
              LEFT JOIN platform."AgentGraph" AS sub_graph
                ON sub_graph."id" = named.id
               AND sub_graph."version" = named.version
               AND sub_graph."userId" = (SELECT "userId" FROM chosen)
               AND sub_graph."id" <> ALL (walk.seen)
           ) AS below
     WHERE below.ids IS NOT NULL OR below.malformed
), shown AS (
    SELECT DISTINCT ON (sub_graph.id) walk.level, sub_graph.place, sub_graph.id, sub_graph.version
      FROM walk
     CROSS JOIN LATERAL unnest(walk.ids, walk.versions)
           WITH ORDINALITY AS sub_graph (id, version, place)
     WHERE walk.level > 0
     ORDER BY sub_graph.id, walk.level, sub_graph.place DESC
)
SELECT row_to_json(result), (SELECT bool_or(malformed) FROM walk)
  FROM (
        SELECT {graph_model(capabilities)},
               COALESCE((
                   SELECT json_agg(found)
                     FROM (
                           SELECT {_BASE}{_PROVENANCE}{_nodes_and_links(_NODE)}
                             FROM shown
                             JOIN platform."AgentGraph" AS graph
                               ON graph."id" = shown.id AND graph."version" = shown.version
                            ORDER BY shown.level, shown.place
                          ) AS found
               ), '[]') AS sub_graphs
          FROM chosen AS graph
       ) AS result
"""


GRAPH_WITH_SUB_GRAPHS = ForSchema(
    lambda capabilities: graph_statement_with_sub_graphs(capabilities, chosen(capabilities))
)
"""Reads a graph with those below it, and whether one of them is named by no number."""
