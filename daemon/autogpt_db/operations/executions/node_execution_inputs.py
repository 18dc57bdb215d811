"""Values that go into node executions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autogpt_db import models
from autogpt_db.database.capabilities import ForSchema
from autogpt_db.errors import InvalidValueError
from autogpt_db.live_events.recording import node_executions_recorded
from autogpt_db.operations import (
    BOUNDED_CALLS,
    FEW_CALLS,
    Database,
    JsonValue,
    Merged,
    Reply,
    operation,
)
from autogpt_db.operations.executions.node_execution_documents import (
    LAST_WRITTEN,
    input_data,
    input_rows,
    node_execution_columns,
    output_data,
)
from autogpt_db.signatures.repeats import harmful

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities


def _waiting(
    graph_exec_id: LiteralString, node_id: LiteralString, input_name: LiteralString
) -> LiteralString:
    """Return the statement that finds executions of a node that wait for an input."""
    return f"""
    SELECT execution.*
      FROM platform."AgentNodeExecution" AS execution
     WHERE execution."agentGraphExecutionId" = {graph_exec_id}
       AND execution."agentNodeId" = {node_id}
       AND execution."executionStatus" = 'INCOMPLETE'
       AND NOT EXISTS (
           SELECT
             FROM platform."AgentNodeExecutionInputOutput" AS entry
            WHERE entry."referencedByInputExecId" = execution."id"
              AND entry."name" = {input_name}
              AND entry."time" >= autogpt_db.now_v1() - interval '24 hours'
       )"""


_OLDEST_FIRST: LiteralString = """
     ORDER BY execution."addedTime", execution.ctid
     LIMIT 1"""
_NEW: LiteralString = """
    INSERT INTO platform."AgentNodeExecution"
           ("id", "agentGraphExecutionId", "agentNodeId", "addedTime", "executionStatus")"""


def _filled(input_name: LiteralString, input_data: LiteralString) -> LiteralString:
    """Return the statement that gives the value to each `execution`."""
    return f"""
    INSERT INTO platform."AgentNodeExecutionInputOutput"
           ("id", "name", "time", "referencedByInputExecId", "data")
    SELECT autogpt_db.ordered_id_v1(0), {input_name}, autogpt_db.now_v1(), execution."id",
           {input_data}
      FROM execution"""


def _pair(
    capabilities: Capabilities,
    input_name: LiteralString,
    received: LiteralString,
    is_new: LiteralString = "false",
) -> LiteralString:
    """Return the pair of an `execution`'s document and its inputs.

    The document is as it was before the insert, which no other part of the same statement sees;
    the caller's value comes back as it was sent.

    Args:
        capabilities: What the database has.
        input_name: The input.
        received: Its value.
        is_new: Whether the execution is made only now, so that nothing of it is looked for.
    """
    columns = node_execution_columns(
        capabilities,
        block="''",
        inputs=f"CASE WHEN {is_new} THEN '{{}}' ELSE {input_data(capabilities)} END",
        outputs=f"CASE WHEN {is_new} THEN '{{}}' ELSE {output_data(capabilities)} END",
    )
    return f"""json_build_array(
           (
               SELECT row_to_json(result)
                 FROM (
                       SELECT {columns}
                         FROM platform."AgentGraphExecution" AS graph_execution
                        WHERE graph_execution."id" = execution."agentGraphExecutionId"
                      ) AS result
           ),
           (
               SELECT json_object_agg(given.name, given.data)
                 FROM (
                       (
                           SELECT DISTINCT ON (entry."name") entry."name", to_json(entry."data")
                             FROM {input_rows(capabilities)}
                              AND entry."name" <> {input_name}
                              AND NOT {is_new}
                            ORDER BY entry."name", {LAST_WRITTEN}
                       )
                        UNION ALL
                       SELECT {input_name}, {received}
                      ) AS given (name, data)
           )
       )"""


_WAITING_FOR_CALL: LiteralString = _waiting("%(graph_exec_id)s", "%(node_id)s", "%(input_name)s")


def _fill_call(capabilities: Capabilities, is_new: LiteralString = "false") -> LiteralString:
    return f"""
, filled AS ({_filled("%(input_name)s", "%(input_data)s::jsonb")}
)
SELECT {_pair(capabilities, "%(input_name)s", "%(received)s::json", is_new)}
  FROM execution
"""


def _pair_of_call(capabilities: Capabilities) -> LiteralString:
    return _pair(capabilities, "execution.input_name", "execution.received", "execution.is_new")


_FILL_ONE = ForSchema(
    lambda capabilities: (
        f"""
WITH execution AS ({_WAITING_FOR_CALL}
       AND execution."id" = %(node_exec_id)s
){_fill_call(capabilities)}"""
    )
)
# Two calls for one node never share a batch: the second may have to fill what the first makes.
_FILL_OLDEST_OR_NEW = ForSchema(
    lambda capabilities: Merged(
        single=f"""
WITH found AS ({_WAITING_FOR_CALL}{_OLDEST_FIRST}
), created AS ({_NEW}
    SELECT gen_random_uuid()::text, %(graph_exec_id)s, %(node_id)s, autogpt_db.now_v1(),
           'INCOMPLETE'::platform."AgentExecutionStatus"
     WHERE NOT EXISTS (SELECT FROM found)
    RETURNING *
){node_executions_recorded(capabilities, "created")}, execution AS (
    SELECT *, false AS is_new FROM found UNION ALL SELECT *, true FROM created
){_fill_call(capabilities, "execution.is_new")}""",
        batch=f"""
WITH call AS MATERIALIZED (
    SELECT *
      FROM {BOUNDED_CALLS} AS call (
               place integer, node_id text, graph_exec_id text, input_name text,
               input_data jsonb, received json
           )
     WHERE {FEW_CALLS}
), found AS MATERIALIZED (
    SELECT call.place, waiting.*
      FROM call
     CROSS JOIN LATERAL (
            {_waiting("call.graph_exec_id", "call.node_id", "call.input_name")}{_OLDEST_FIRST}
           ) AS waiting
), created AS ({_NEW}
    SELECT gen_random_uuid()::text, call.graph_exec_id, call.node_id, autogpt_db.now_v1(),
           'INCOMPLETE'::platform."AgentExecutionStatus"
      FROM call
     WHERE NOT EXISTS (SELECT FROM found WHERE found.place = call.place)
     ORDER BY call.place
    RETURNING *
){node_executions_recorded(capabilities, "created")}, given AS (
    SELECT *, false AS is_new
      FROM found
     UNION ALL
    SELECT call.place, created.*, true
      FROM created
      JOIN call
        ON call.graph_exec_id = created."agentGraphExecutionId"
       AND call.node_id = created."agentNodeId"
), execution AS (
    SELECT given.*,
           call.input_name,
           COALESCE(call.input_data, 'null') AS input_data,
           COALESCE(call.received, 'null') AS received
      FROM given
      JOIN call ON call.place = given.place
), filled AS ({_filled("execution.input_name", "execution.input_data")}
)
SELECT execution.place, {_pair_of_call(capabilities)}
  FROM execution
""",
        texts=("node_id", "graph_exec_id", "input_name"),
        documents=("input_data", "received"),
        key=("graph_exec_id", "node_id"),
        answer=("execution.place", _pair_of_call(capabilities)),
    )
)


@operation(
    reads=False,
    at_once=True,
    repeat=harmful(
        "Gives the value to the next execution that waits for it, or to a new one. With "
        "`node_exec_id` it is refused with 400: the input is there."
    ),
)
async def upsert_execution_input(
    database: Database,
    node_id: str,
    graph_exec_id: str,
    input_name: str,
    input_data: JsonValue,
    node_exec_id: str | None = None,
) -> Reply[tuple[models.NodeExecutionResult, dict[str, Any]]]:
    """Give a value to the oldest execution of a node that still waits for it, or to a new one.

    Two calls at once may both make an execution.

    Args:
        node_id: The node.
        graph_exec_id: The graph execution.
        input_name: The input. A node execution that got one of this name within 24 hours doesn't
            wait for it.
        input_data: The value.
        node_exec_id: The only node execution that may take it.

    Returns:
        A pair: the NodeExecutionResult as it was before, and all of its inputs by name now.

    Raises:
        InvalidValueError: That node execution doesn't wait for the input.
        ForeignKeyViolationError: Node or graph execution doesn't exist.
    """
    parameters = {
        "node_id": node_id,
        "graph_exec_id": graph_exec_id,
        "input_name": input_name,
        "input_data": input_data,
        "received": input_data.received,
        "node_exec_id": node_exec_id,
    }
    if node_exec_id:
        document = await database.json(_FILL_ONE(database.capabilities), parameters)
    else:
        document = await database.merged(_FILL_OLDEST_OR_NEW(database.capabilities), parameters)
    if document is None:
        raise InvalidValueError(
            f"Node execution {node_exec_id} of node {node_id} in graph execution {graph_exec_id} "
            f"doesn't wait for input {input_name!r}."
        )
    return document
