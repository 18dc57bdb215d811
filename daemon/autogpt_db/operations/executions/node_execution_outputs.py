"""Values that come out of node executions."""

from __future__ import annotations

from autogpt_db.operations import FEW_CALLS, PARSED_CALLS, Database, JsonValue, Merged, operation
from autogpt_db.signatures.repeats import harmful

_ADD_OUTPUT = Merged(
    single="""
INSERT INTO platform."AgentNodeExecutionInputOutput"
       ("id", "name", "time", "referencedByOutputExecId", "data")
VALUES (autogpt_db.ordered_id_v1(0), %(output_name)s, autogpt_db.now_v1(), %(node_exec_id)s,
        %(output_data)s::jsonb)
RETURNING NULL::json
""",
    batch=f"""
INSERT INTO platform."AgentNodeExecutionInputOutput"
       ("id", "name", "time", "referencedByOutputExecId", "data")
SELECT autogpt_db.ordered_id_v1(call.place), call.output_name, autogpt_db.now_v1(),
       call.node_exec_id, call.output_data
  FROM {PARSED_CALLS} AS call (
           place integer, output_name text, node_exec_id text, output_data jsonb
       )
 WHERE {FEW_CALLS}
 ORDER BY call.place
""",
    texts=("node_exec_id", "output_name"),
    documents=("output_data",),
    # A node execution's outputs keep the order of their calls.
    key=("node_exec_id",),
    shares=True,
    answer=("call.place", "NULL::json"),
    keyed_batch=f"""
WITH call AS MATERIALIZED (
    SELECT *
      FROM {PARSED_CALLS} AS call (
               place integer, output_name text, node_exec_id text, output_data jsonb
           )
     WHERE {FEW_CALLS}
), added AS (
    INSERT INTO platform."AgentNodeExecutionInputOutput"
           ("id", "name", "time", "referencedByOutputExecId", "data")
    SELECT autogpt_db.ordered_id_v1(call.place), call.output_name, autogpt_db.now_v1(),
           call.node_exec_id, call.output_data
      FROM call
     ORDER BY call.place
)
SELECT call.place, NULL::json
  FROM call
""",
)


@operation(
    reads=False,
    at_once=True,
    repeat=harmful("Adds the output again: the outputs of one name make a list."),
)
async def upsert_execution_output(
    database: Database, node_exec_id: str, output_name: str, output_data: JsonValue | None
) -> None:
    """Add an output to a node execution.

    The outputs of one name make a list.

    Args:
        node_exec_id: The node execution.
        output_name: The output.
        output_data: The value.

    Raises:
        ForeignKeyViolationError: There is no such node execution.
    """
    await database.merged(
        _ADD_OUTPUT,
        {"node_exec_id": node_exec_id, "output_name": output_name, "output_data": output_data},
    )
