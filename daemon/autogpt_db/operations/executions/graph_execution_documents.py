"""The SQL that makes documents of graph executions: fragments, put together for each schema.

Every fragment speaks of `graph_execution` (a row of AgentGraphExecution), `execution` (one of its
AgentNodeExecution) and `node` (that one's AgentNode), by these aliases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.operations.executions.node_execution_documents import (
    NEWEST_FIRST,
    input_data,
    node_execution_columns,
)
from autogpt_db.operations.graphs.blocks import INPUT_BLOCKS, OUTPUT_BLOCKS, WEBHOOK_BLOCKS

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities


def _listed(blocks: tuple[LiteralString, ...]) -> LiteralString:
    return "('" + "', '".join(blocks) + "')"


# A graph execution shows the values of these blocks' executions.
_INPUT: LiteralString = _listed(INPUT_BLOCKS)
_OUTPUT: LiteralString = _listed(OUTPUT_BLOCKS)
_WEBHOOK: LiteralString = _listed(WEBHOOK_BLOCKS)
_SHOWING: LiteralString = _listed(INPUT_BLOCKS + OUTPUT_BLOCKS + WEBHOOK_BLOCKS)

_META_BEFORE_INPUTS: LiteralString = """
    graph_execution."id" AS id,
    graph_execution."userId" AS user_id,
    graph_execution."agentGraphId" AS graph_id,
    graph_execution."agentGraphVersion" AS graph_version,
    """
_META_AFTER_INPUTS: LiteralString = """ AS inputs,
    autogpt_db.credential_inputs_v2(graph_execution."credentialInputs") AS credential_inputs,
    graph_execution."nodesInputMasks" AS nodes_input_masks,
    graph_execution."agentPresetId" AS preset_id,
    graph_execution."executionStatus" AS status,
    autogpt_db.iso_v1(graph_execution."startedAt") AS started_at,
    autogpt_db.iso_v1(graph_execution."endedAt") AS ended_at,
    graph_execution."isShared" AS is_shared,
    graph_execution."shareToken" AS share_token,"""
_OWN_INPUTS: LiteralString = 'autogpt_db.object_or_null_v1(graph_execution."inputs")'


def _later_members(capabilities: Capabilities) -> LiteralString:
    """Return the members that later releases have added before the stats, and the stats.

    Clients ignore members that they don't know. No schema tells v0.6.51 from v0.6.53, which has
    added `is_dry_run`.
    """
    if not capabilities.store2:
        return """
    autogpt_db.execution_stats_v1(graph_execution."stats") AS stats"""
    tenancy: LiteralString = """
    NULL AS organization_id,
    NULL AS team_id,"""
    if capabilities.orgs:
        tenancy = """
    graph_execution."organizationId" AS organization_id,
    graph_execution."teamId" AS team_id,"""
    expert: LiteralString = ""
    if capabilities.expert_runs:
        expert = """
    graph_execution."expertId" AS expert_id,"""
    stats: LiteralString = """
    autogpt_db.execution_stats_v2(graph_execution."stats") AS stats"""
    if capabilities.pods:
        stats = """
    autogpt_db.execution_stats_v3(
        graph_execution."stats", graph_execution."executionStatus"::text
    ) AS stats"""
    return f"""
    autogpt_db.dry_run_v1(graph_execution."stats") AS is_dry_run,{tenancy}{expert}{stats}"""


def _meta(capabilities: Capabilities, inputs: LiteralString) -> LiteralString:
    return _META_BEFORE_INPUTS + inputs + _META_AFTER_INPUTS + _later_members(capabilities)


def graph_execution_meta(capabilities: Capabilities) -> LiteralString:
    """Return the select list of a GraphExecutionMeta."""
    return _meta(capabilities, _OWN_INPUTS)


# An execution whose input has no such member shows nothing (AutoGPT answers 500 at this point).
_NAMED: LiteralString = f"""
named AS (
    SELECT shown.kind,
           shown.name,
           (array_agg(shown.value ORDER BY shown.place DESC))[1] AS last,
           json_agg(shown.value ORDER BY shown.place) AS list
      FROM (
            SELECT loaded.place,
                   kinds.kind,
                   CASE
                       WHEN kinds.kind <> 'webhook' THEN
                           CASE jsonb_typeof(loaded.input_data -> 'name')
                               WHEN 'string' THEN loaded.input_data ->> 'name'
                           END
                       WHEN loaded.input_data ? 'payload' THEN 'payload'
                   END AS name,
                   loaded.input_data -> CASE kinds.kind
                       WHEN 'webhook' THEN 'payload'
                       ELSE 'value'
                   END AS value
              FROM loaded
             CROSS JOIN LATERAL (
                    SELECT CASE
                               WHEN loaded.block_id IN {_INPUT} THEN 'input'
                               WHEN loaded.block_id IN {_OUTPUT} THEN 'output'
                               WHEN loaded.block_id IN {_WEBHOOK} THEN 'webhook'
                           END AS kind
                    OFFSET 0  -- found once, not at each mention
                   ) AS kinds
             WHERE kinds.kind IS NOT NULL AND loaded.status <> 'INCOMPLETE'
           ) AS shown
     WHERE shown.name IS NOT NULL
     GROUP BY shown.kind, shown.name
)
"""

_INPUTS: LiteralString = f"""CASE
        WHEN autogpt_db.truthy_v1({_OWN_INPUTS}) THEN graph_execution."inputs"
        ELSE COALESCE(
            (SELECT jsonb_object_agg(name, last) FROM named WHERE kind = 'input'), '{{}}'
        )
    END || COALESCE(
        (SELECT jsonb_object_agg(name, last) FROM named WHERE kind = 'webhook'), '{{}}'
    )"""
_OUTPUTS: LiteralString = """,
    COALESCE(
        (SELECT json_object_agg(name, list) FROM named WHERE kind = 'output'), '{}'
    ) AS outputs"""

# By the moment they were queued, those never queued last, by when they were added.
_PLACE: LiteralString = """row_number() OVER (
    ORDER BY execution."queuedTime" IS NULL,
             COALESCE(execution."queuedTime", execution."addedTime"),
             execution."addedTime" DESC,
             execution.reading_place
)"""


def _loaded(columns: LiteralString, restriction: LiteralString = "") -> LiteralString:
    """Return the query for the newest 1000 node executions of the graph execution."""
    return f"""
    SELECT {columns},
           {_PLACE} AS place
      FROM (
            SELECT execution.*, execution.ctid AS reading_place, node."agentBlockId"
              FROM platform."AgentNodeExecution" AS execution
              JOIN platform."AgentNode" AS node ON node."id" = execution."agentNodeId"
             WHERE execution."agentGraphExecutionId" = graph_execution."id"{restriction}
             ORDER BY {NEWEST_FIRST}, execution.ctid
             LIMIT 1000
           ) AS execution"""


def _loaded_shown(capabilities: Capabilities) -> LiteralString:
    return _loaded(
        f"""execution."agentBlockId" AS block_id,
           execution."executionStatus" AS status,
           {input_data(capabilities)} AS input_data""",
        f"""
               AND execution."executionStatus" <> 'INCOMPLETE'
               AND node."agentBlockId" IN {_SHOWING}""",
    )


def _loaded_all(capabilities: Capabilities) -> LiteralString:
    loaded = _loaded(node_execution_columns(capabilities, block='execution."agentBlockId"'))
    return f"""
loaded AS (
    SELECT loaded.*
      FROM graph_execution
     CROSS JOIN LATERAL ({loaded}
           ) AS loaded
),"""


# Their documents in order: `loaded` has one column more than the document.
_NODE_EXECUTIONS: LiteralString = """,
    COALESCE((
        SELECT json_agg(
                   json_build_object(
                       'user_id', user_id,
                       'graph_id', graph_id,
                       'graph_version', graph_version,
                       'graph_exec_id', graph_exec_id,
                       'node_exec_id', node_exec_id,
                       'node_id', node_id,
                       'block_id', block_id,
                       'status', status,
                       'input_data', input_data,
                       'output_data', output_data,
                       'add_time', add_time,
                       'queue_time', queue_time,
                       'start_time', start_time,
                       'end_time', end_time
                   )
                   ORDER BY place
               )
          FROM loaded
    ), '[]') AS node_executions"""


def graph_execution_of_row(capabilities: Capabilities) -> LiteralString:
    """Return the expression that makes a GraphExecution of a row, `graph_execution`."""
    return f"""(
      WITH loaded AS MATERIALIZED ({_loaded_shown(capabilities)}
),{_NAMED}
    SELECT row_to_json(result)
      FROM (SELECT {_meta(capabilities, _INPUTS)}{_OUTPUTS}) AS result
)"""


def graph_execution_document(
    capabilities: Capabilities,
    source: LiteralString,
    *,
    recorded: LiteralString = "",
    then: LiteralString = "",
) -> LiteralString:
    """Return the statement that makes a GraphExecution.

    Args:
        capabilities: What the database has.
        source: A statement that reads or returns the one row, or none.
        recorded: The query that records the row's change, if any, with a comma before it.
        then: Queries that change something beside, each with a comma before it; they have the row
            as `graph_execution`.
    """
    return f"""
WITH graph_execution AS ({source}){recorded}{then}
SELECT {graph_execution_of_row(capabilities)}
  FROM graph_execution
"""


def graph_execution_with_nodes_document(
    capabilities: Capabilities, source: LiteralString, loaded: LiteralString | None = None
) -> LiteralString:
    """Return the statement that makes a GraphExecutionWithNodes.

    Args:
        capabilities: What the database has.
        source: As for `graph_execution_document`.
        loaded: Where its node executions are from, when they aren't in the table yet.
    """
    return f"""
WITH graph_execution AS ({source}),{loaded or _loaded_all(capabilities)}{_NAMED}
SELECT row_to_json(result)
  FROM (
        SELECT {_meta(capabilities, _INPUTS)}{_OUTPUTS}{_NODE_EXECUTIONS} FROM graph_execution
       ) AS result
"""
