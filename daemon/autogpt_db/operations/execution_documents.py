"""The SQL that makes documents of graph and node executions: fragments, put together at import.

Every fragment speaks of `execution` (a row of AgentNodeExecution), `node` (its AgentNode) and
`graph_execution` (its AgentGraphExecution), by these aliases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.operations.blocks import INPUT_BLOCKS, OUTPUT_BLOCKS, WEBHOOK_BLOCKS

if TYPE_CHECKING:
    from typing import LiteralString

NEWEST_FIRST: LiteralString = 'execution."queuedTime" DESC, execution."addedTime" DESC'
"""Node executions' order, those never queued first; among ties the reading order, `ctid`."""


WRITTEN: LiteralString = 'entry."time", autogpt_db.written_v1(entry."id"), entry.ctid'
"""Input and output rows' order, as `entry`: the first written first."""
LAST_WRITTEN: LiteralString = (
    'entry."time" DESC, autogpt_db.written_v1(entry."id") DESC, entry.ctid DESC'
)
"""The same from the end."""


def _listed(blocks: tuple[LiteralString, ...]) -> LiteralString:
    return "('" + "', '".join(blocks) + "')"


# A graph execution shows the values of these blocks' executions.
_INPUT: LiteralString = _listed(INPUT_BLOCKS)
_OUTPUT: LiteralString = _listed(OUTPUT_BLOCKS)
_WEBHOOK: LiteralString = _listed(WEBHOOK_BLOCKS)
_SHOWING: LiteralString = _listed(INPUT_BLOCKS + OUTPUT_BLOCKS + WEBHOOK_BLOCKS)

_STORED_INPUT: LiteralString = """
    autogpt_db.cleared_inputs_v1(execution."stats"),
    CASE
        WHEN autogpt_db.truthy_v1(execution."executionData")
        THEN autogpt_db.as_object_v1(execution."executionData")
    END"""

# Of two rows of one name jsonb keeps the later.
INPUT_DATA: LiteralString = f"""COALESCE({_STORED_INPUT},
    (
        SELECT jsonb_object_agg(entry."name", entry."data" ORDER BY {WRITTEN})
          FROM platform."AgentNodeExecutionInputOutput" AS entry
         WHERE entry."referencedByInputExecId" = execution."id"
    ),
    '{{}}'
)"""

_OUTPUT_DATA: LiteralString = f"""COALESCE(
    autogpt_db.cleared_outputs_v1(execution."stats")::json,
    (
        SELECT json_object_agg(named."name", named.list)
          FROM (
                SELECT entry."name",
                       json_agg(entry."data" ORDER BY {WRITTEN}) AS list
                  FROM platform."AgentNodeExecutionInputOutput" AS entry
                 WHERE entry."referencedByOutputExecId" = execution."id"
                 GROUP BY entry."name"
               ) AS named
    ),
    '{{}}'
)"""

_BEFORE_DATA: LiteralString = """
    graph_execution."userId" AS user_id,
    graph_execution."agentGraphId" AS graph_id,
    graph_execution."agentGraphVersion" AS graph_version,
    execution."agentGraphExecutionId" AS graph_exec_id,
    execution."id" AS node_exec_id,
    execution."agentNodeId" AS node_id,
    """
_AFTER_DATA: LiteralString = """
    autogpt_db.iso_v1(execution."addedTime") AS add_time,
    autogpt_db.iso_v1(execution."queuedTime") AS queue_time,
    autogpt_db.iso_v1(execution."startedTime") AS start_time,
    autogpt_db.iso_v1(execution."endedTime") AS end_time"""


def node_execution_columns(
    *,
    block: LiteralString = 'node."agentBlockId"',
    input_data: LiteralString = INPUT_DATA,
    output_data: LiteralString = _OUTPUT_DATA,
) -> LiteralString:
    """Return the select list of a NodeExecutionResult.

    Args:
        block: What its block's id is.
        input_data: What its input is, a jsonb.
        output_data: What its output is, a json.
    """
    return f"""{_BEFORE_DATA}{block} AS block_id,
    execution."executionStatus" AS status,
    {input_data} AS input_data,
    {output_data} AS output_data,{_AFTER_DATA}"""


NODE_EXECUTION: LiteralString = node_execution_columns()
"""The select list of a NodeExecutionResult with its data."""

NODE_EXECUTION_WITHOUT_ROWS: LiteralString = node_execution_columns(
    input_data=f"COALESCE({_STORED_INPUT}, '{{}}')",
    output_data="COALESCE(autogpt_db.cleared_outputs_v1(execution.\"stats\")::json, '{}')",
)
"""The same, input and output rows left unread."""

JOINED: LiteralString = """
  JOIN platform."AgentGraphExecution" AS graph_execution
    ON graph_execution."id" = execution."agentGraphExecutionId"
  JOIN platform."AgentNode" AS node
    ON node."id" = execution."agentNodeId"
"""
"""What a node execution's document needs beside `execution`."""

JOINED_TO_OUTER: LiteralString = """
  FROM platform."AgentGraphExecution" AS graph_execution, platform."AgentNode" AS node
 WHERE graph_execution."id" = execution."agentGraphExecutionId"
   AND node."id" = execution."agentNodeId"
"""
"""The same, inside a LATERAL beside `execution`."""

_META_BEFORE_INPUTS: LiteralString = """
    graph_execution."id" AS id,
    graph_execution."userId" AS user_id,
    graph_execution."agentGraphId" AS graph_id,
    graph_execution."agentGraphVersion" AS graph_version,
    """
_META_AFTER_INPUTS: LiteralString = """ AS inputs,
    autogpt_db.credential_inputs_v1(graph_execution."credentialInputs") AS credential_inputs,
    graph_execution."nodesInputMasks" AS nodes_input_masks,
    graph_execution."agentPresetId" AS preset_id,
    graph_execution."executionStatus" AS status,
    autogpt_db.iso_v1(graph_execution."startedAt") AS started_at,
    autogpt_db.iso_v1(graph_execution."endedAt") AS ended_at,
    graph_execution."isShared" AS is_shared,
    graph_execution."shareToken" AS share_token,
    autogpt_db.execution_stats_v1(graph_execution."stats") AS stats"""
_OWN_INPUTS: LiteralString = 'autogpt_db.object_or_null_v1(graph_execution."inputs")'

GRAPH_EXECUTION_META: LiteralString = _META_BEFORE_INPUTS + _OWN_INPUTS + _META_AFTER_INPUTS
"""The select list of a GraphExecutionMeta."""

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
                   ) AS kinds
             WHERE kinds.kind IS NOT NULL AND loaded.status <> 'INCOMPLETE'
           ) AS shown
     WHERE shown.name IS NOT NULL
     GROUP BY shown.kind, shown.name
)
"""

_GRAPH_EXECUTION: LiteralString = (
    _META_BEFORE_INPUTS
    + f"""CASE
        WHEN autogpt_db.truthy_v1({_OWN_INPUTS}) THEN graph_execution."inputs"
        ELSE COALESCE(
            (SELECT jsonb_object_agg(name, last) FROM named WHERE kind = 'input'), '{{}}'
        )
    END || COALESCE(
        (SELECT jsonb_object_agg(name, last) FROM named WHERE kind = 'webhook'), '{{}}'
    )"""
    + _META_AFTER_INPUTS
    + """,
    COALESCE(
        (SELECT json_object_agg(name, list) FROM named WHERE kind = 'output'), '{}'
    ) AS outputs"""
)

# By the moment they were queued, those never queued last, by when they were added.
_PLACE: LiteralString = """row_number() OVER (
    ORDER BY execution."queuedTime" IS NULL,
             COALESCE(execution."queuedTime", execution."addedTime"),
             execution."addedTime" DESC,
             execution.reading_place
)"""


def _loaded(columns: LiteralString, restriction: LiteralString) -> LiteralString:
    """Return the newest 1000 node executions of the graph execution."""
    return f"""
loaded AS (
    SELECT {columns},
           {_PLACE} AS place
      FROM (
            SELECT execution.*, execution.ctid AS reading_place, node."agentBlockId"
              FROM graph_execution
              JOIN platform."AgentNodeExecution" AS execution
                ON execution."agentGraphExecutionId" = graph_execution."id"
              JOIN platform."AgentNode" AS node ON node."id" = execution."agentNodeId"
             {restriction}
             ORDER BY {NEWEST_FIRST}, execution.ctid
             LIMIT 1000
           ) AS execution
     CROSS JOIN graph_execution
),"""


_LOADED_SHOWN: LiteralString = _loaded(
    f"""execution."agentBlockId" AS block_id,
           execution."executionStatus" AS status,
           {INPUT_DATA} AS input_data""",
    f"""WHERE execution."executionStatus" <> 'INCOMPLETE'
               AND node."agentBlockId" IN {_SHOWING}""",
)
_LOADED_ALL: LiteralString = _loaded(
    node_execution_columns(block='execution."agentBlockId"'), restriction=""
)

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


def graph_execution_document(source: LiteralString) -> LiteralString:
    """Return the statement that makes a GraphExecution.

    Args:
        source: A statement that reads or returns the one row, or none.
    """
    return f"""
WITH graph_execution AS ({source}),{_LOADED_SHOWN}{_NAMED}
SELECT row_to_json(result)
  FROM (SELECT {_GRAPH_EXECUTION} FROM graph_execution) AS result
"""


def graph_execution_with_nodes_document(
    source: LiteralString, loaded: LiteralString = _LOADED_ALL
) -> LiteralString:
    """Return the statement that makes a GraphExecutionWithNodes.

    Args:
        source: As for `graph_execution_document`.
        loaded: Where its node executions are from, when they aren't in the table yet.
    """
    return f"""
WITH graph_execution AS ({source}),{loaded}{_NAMED}
SELECT row_to_json(result)
  FROM (SELECT {_GRAPH_EXECUTION}{_NODE_EXECUTIONS} FROM graph_execution) AS result
"""
