"""The SQL that makes documents of node executions: fragments, put together for each schema.

Every fragment speaks of `execution` (a row of AgentNodeExecution), `node` (its AgentNode) and
`graph_execution` (its AgentGraphExecution), by these aliases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.database.capabilities import ForSchema

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities

NEWEST_FIRST: LiteralString = 'execution."queuedTime" DESC, execution."addedTime" DESC'
"""Node executions' order, those never queued first; among ties the reading order, `ctid`."""


WRITTEN: LiteralString = 'entry."time", autogpt_db.written_v1(entry."id"), entry.ctid'
"""Input and output rows' order, as `entry`: the first written first."""
LAST_WRITTEN: LiteralString = (
    'entry."time" DESC, autogpt_db.written_v1(entry."id") DESC, entry.ctid DESC'
)
"""The same from the end."""

# Later releases have more integers in a node execution's stats, each of which may spoil them.
_COUNTS: LiteralString = (
    "'input_size', 'output_size', 'llm_call_count', 'llm_retry_count', 'input_token_count',"
    " 'output_token_count', 'extra_steps'"
)
_CACHE_COUNTS: LiteralString = ", 'cache_read_token_count', 'cache_creation_token_count'"
_COSTS: LiteralString = ", 'cost', 'reconciled_cost_delta'"


def _cleared(capabilities: Capabilities, kind: LiteralString) -> LiteralString:
    """Return what a node execution's stats keep of its cleared `inputs` or `outputs`."""
    if not capabilities.tier:
        return f'autogpt_db.cleared_{kind}_v1(execution."stats")'
    counts = _COUNTS + _CACHE_COUNTS + (_COSTS if capabilities.push else ", 'extra_cost'")
    return f'autogpt_db.cleared_{kind}_v2(execution."stats", ARRAY[{counts}])'


def _stored_input(capabilities: Capabilities) -> LiteralString:
    return f"""
    {_cleared(capabilities, "inputs")},
    CASE
        WHEN autogpt_db.truthy_v1(execution."executionData")
        THEN autogpt_db.as_object_v1(execution."executionData")
    END"""


def _rows(capabilities: Capabilities, reference: LiteralString) -> LiteralString:
    """Return what follows FROM to read rows of `execution` as `entry`, the condition at its end.

    Later releases read the oldest 1000 and leave out the rest, of which PostgreSQL gives notice.
    """
    if not capabilities.chat_status:
        return f"""platform."AgentNodeExecutionInputOutput" AS entry
         WHERE entry.{reference} = execution."id\""""
    return f"""(
                SELECT entry."id", entry."name", entry."data", entry."time", entry.ctid,
                       row_number() OVER (ORDER BY {WRITTEN}) AS place
                  FROM platform."AgentNodeExecutionInputOutput" AS entry
                 WHERE entry.{reference} = execution."id"
                 ORDER BY {WRITTEN}
                 LIMIT 1001
               ) AS entry
         WHERE (entry.place <= 1000 OR autogpt_db.left_out_v1(execution."id"))"""


def input_rows(capabilities: Capabilities) -> LiteralString:
    """Return what follows FROM to read the input rows of `execution` as `entry`.

    More conditions may follow.
    """
    return _rows(capabilities, '"referencedByInputExecId"')


def input_data(capabilities: Capabilities) -> LiteralString:
    """Return what a node execution's input is, a jsonb: of two rows of one name the later."""
    return f"""COALESCE({_stored_input(capabilities)},
    (
        SELECT jsonb_object_agg(entry."name", entry."data" ORDER BY {WRITTEN})
          FROM {input_rows(capabilities)}
    ),
    '{{}}'
)"""


def output_data(capabilities: Capabilities) -> LiteralString:
    """Return what a node execution's output is, a json: a list for each name."""
    return f"""COALESCE(
    {_cleared(capabilities, "outputs")}::json,
    (
        SELECT json_object_agg(named."name", named.list)
          FROM (
                SELECT entry."name",
                       json_agg(entry."data" ORDER BY {WRITTEN}) AS list
                  FROM {_rows(capabilities, '"referencedByOutputExecId"')}
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
    capabilities: Capabilities,
    *,
    block: LiteralString = 'node."agentBlockId"',
    inputs: LiteralString | None = None,
    outputs: LiteralString | None = None,
) -> LiteralString:
    """Return the select list of a NodeExecutionResult.

    Args:
        capabilities: What the database has.
        block: What its block's id is.
        inputs: What its input is, a jsonb; None stands for the stored one.
        outputs: What its output is, a json; None stands for the stored one.
    """
    return f"""{_BEFORE_DATA}{block} AS block_id,
    execution."executionStatus" AS status,
    {inputs or input_data(capabilities)} AS input_data,
    {outputs or output_data(capabilities)} AS output_data,{_AFTER_DATA}"""


NODE_EXECUTION = ForSchema(node_execution_columns)
"""The select list of a NodeExecutionResult with its data."""

NODE_EXECUTION_WITHOUT_ROWS = ForSchema(
    lambda capabilities: node_execution_columns(
        capabilities,
        inputs=f"COALESCE({_stored_input(capabilities)}, '{{}}')",
        outputs=f"COALESCE({_cleared(capabilities, 'outputs')}::json, '{{}}')",
    )
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
