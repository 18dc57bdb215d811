"""Graph executions, made and moved on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

from autogpt_db.errors import InvalidValueError, LimitExceededError, RecordNotFoundError
from autogpt_db.operations import (
    CredentialInputs,
    Database,
    ExecutionStatus,
    GraphExecutionStats,
    JsonObject,
    JsonObjectOfObjects,
    StartingNodesInput,
    operation,
)
from autogpt_db.operations.execution_documents import (
    graph_execution_document,
    graph_execution_with_nodes_document,
    node_execution_columns,
)
from autogpt_db.operations.execution_status import allowed_from
from autogpt_db.operations.json_text import JsonText, clean_text_of
from autogpt_db.operations.repeats import harmful, harmless

if TYPE_CHECKING:
    from typing import LiteralString


_CREATE = graph_execution_with_nodes_document(
    """
    INSERT INTO platform."AgentGraphExecution"
           ("id", "agentGraphId", "agentGraphVersion", "userId", "createdAt", "updatedAt",
            "executionStatus", "agentPresetId", "parentGraphExecutionId",
            "inputs", "credentialInputs", "nodesInputMasks")
    VALUES (gen_random_uuid()::text, %(graph_id)s, %(graph_version)s, %(user_id)s,
            autogpt_db.now_v1(), autogpt_db.now_v1(), 'INCOMPLETE',
            %(preset_id)s, %(parent_graph_exec_id)s, %(inputs)s::jsonb,
            COALESCE(%(credential_inputs)s::jsonb, '{}'),
            COALESCE(%(nodes_input_masks)s::jsonb, '{}'))
    RETURNING *
""",
    f"""
starting AS (
    SELECT gen_random_uuid()::text AS id,
           pair.value ->> 0 AS node_id,
           pair.value -> 1 AS input,
           pair.place
      FROM jsonb_array_elements(%(starting_nodes)s::jsonb)
           WITH ORDINALITY AS pair (value, place)
),
queued AS (
    INSERT INTO platform."AgentNodeExecution"
           ("id", "agentGraphExecutionId", "agentNodeId", "addedTime", "queuedTime",
            "executionStatus")
    SELECT starting.id, graph_execution."id", starting.node_id, autogpt_db.now_v1(),
           autogpt_db.now_v1(), 'QUEUED'::platform."AgentExecutionStatus"
      FROM starting
     CROSS JOIN graph_execution
     ORDER BY starting.place
    RETURNING *
),
entered AS (
    INSERT INTO platform."AgentNodeExecutionInputOutput"
           ("id", "name", "time", "referencedByInputExecId", "data")
    SELECT autogpt_db.ordered_id_v1(0), entry.key, autogpt_db.now_v1(), starting.id, entry.value
      FROM starting
     CROSS JOIN LATERAL jsonb_each(starting.input) AS entry
     ORDER BY starting.place
),
loaded AS (
    SELECT {
        node_execution_columns(
            input_data="starting.input",
            output_data="'{}'::json",
        )
    },
           starting.place
      FROM starting
      JOIN queued AS execution ON execution."id" = starting.id
      JOIN platform."AgentNode" AS node ON node."id" = execution."agentNodeId"
     CROSS JOIN graph_execution
     WHERE starting.place <= 1000
),""",
)

_START = graph_execution_document(
    """
    UPDATE platform."AgentGraphExecution"
       SET "executionStatus" = 'RUNNING',
           "startedAt" = autogpt_db.now_v1(),
           "updatedAt" = autogpt_db.now_v1()
     WHERE "id" = %(graph_exec_id)s
    RETURNING *
"""
)

_UPDATE: LiteralString = """
    UPDATE platform."AgentGraphExecution"
       SET "executionStatus" = COALESCE(
               %(status)s::text::platform."AgentExecutionStatus", "executionStatus"
           ),
           "endedAt" = CASE
               WHEN %(status)s::text IN ('COMPLETED', 'FAILED', 'TERMINATED')
               THEN autogpt_db.now_v1()
               ELSE "endedAt"
           END,
           "stats" = COALESCE(%(stats)s::jsonb, "stats"),
           "updatedAt" = autogpt_db.now_v1()
     WHERE "id" = %(graph_exec_id)s
"""
_UPDATE_STATS = graph_execution_document(_UPDATE + "RETURNING *")
_UPDATE_STATUS = graph_execution_document(
    _UPDATE
    + """
       AND "executionStatus" = ANY (%(allowed)s::text::platform."AgentExecutionStatus"[])
    RETURNING *
"""
)
_BY_ID = graph_execution_document(
    """
    SELECT * FROM platform."AgentGraphExecution" WHERE "id" = %(graph_exec_id)s
"""
)

_encode = msgspec.json.Encoder().encode


@operation(reads=False, repeat=harmful("Makes another execution."))
async def create_graph_execution(
    database: Database,
    graph_id: str,
    graph_version: int,
    starting_nodes_input: StartingNodesInput,
    inputs: JsonObject,
    user_id: str,
    preset_id: str | None = None,
    credential_inputs: CredentialInputs | None = None,
    nodes_input_masks: JsonObjectOfObjects | None = None,
    parent_graph_exec_id: str | None = None,
) -> bytes | None:
    """Make an execution, with a queued node execution for each node that starts it.

    Nothing is checked but that what is named exists.

    Args:
        graph_id: The graph to execute.
        graph_version: Its version.
        starting_nodes_input: Pairs of node id and input, an object of values by input name.
        inputs: What the agent is given.
        user_id: Who executes it.
        preset_id: The preset it comes from.
        credential_inputs: References to credentials by input name.
        nodes_input_masks: Inputs by node id that override what the nodes get.
        parent_graph_exec_id: The execution that starts this one.

    Returns:
        A GraphExecutionWithNodes, INCOMPLETE, its node executions in the order given.

    Raises:
        ForeignKeyViolationError: Graph, user, preset, parent or a node doesn't exist; nothing is
            written.
        LimitExceededError: The nodes have more inputs than the settings allow.
    """
    limits = database.settings.limits
    texts = [node_input for _, node_input in starting_nodes_input]
    # Each input becomes a row: a colon stands behind every name, and few stand elsewhere.
    many = sum(text.count(":") for text in texts) > limits.items
    # What is clean is passed on as it is; anything else is looked into.
    size = sum(map(len, texts)) if many or any(text.received is not text for text in texts) else 0
    starting_nodes = await database.computed(
        size, starting_nodes_of, starting_nodes_input, limits.items if many else None
    )
    return await database.json(
        _CREATE,
        {
            "graph_id": graph_id,
            "graph_version": graph_version,
            "user_id": user_id,
            "preset_id": preset_id,
            "parent_graph_exec_id": parent_graph_exec_id,
            "inputs": inputs,
            "credential_inputs": credential_inputs,
            "nodes_input_masks": nodes_input_masks,
            "starting_nodes": starting_nodes,
        },
    )


@operation(
    reads=False,
    repeat=harmful("Moves the start, and sets an execution RUNNING again that has moved on since."),
)
async def update_graph_execution_start_time(database: Database, graph_exec_id: str) -> bytes | None:
    """Set an execution RUNNING, started now, whatever it was before.

    Args:
        graph_exec_id: The execution; may be deleted.

    Returns:
        Its GraphExecution, or null when there is none.
    """
    return await database.json(_START, {"graph_exec_id": graph_exec_id})


@operation(reads=False, repeat=harmless("Sets the same stats; a status that was reached stays."))
async def update_graph_execution_stats(
    database: Database,
    graph_exec_id: str,
    status: ExecutionStatus | None = None,
    stats: GraphExecutionStats | None = None,
) -> bytes:
    """Set an execution's status, its stats, or both.

    A status that may not follow the present one changes nothing, stats included, and is no error.

    Args:
        graph_exec_id: The execution; may be deleted.
        status: The new status; COMPLETED, FAILED and TERMINATED also set when it ended.
        stats: All of its stats: they replace the stored ones.

    Returns:
        Its GraphExecution as it is now.

    Raises:
        InvalidValueError: Neither is given, or the status is INCOMPLETE.
        RecordNotFoundError: There is no such execution.
    """
    parameters: dict[str, str | None] = {
        "graph_exec_id": graph_exec_id,
        "status": status,
        "stats": stats,
    }
    if status is not None:
        parameters["allowed"] = allowed_from(status)
        document = await database.json(_UPDATE_STATUS, parameters)
    elif stats is not None:
        document = await database.json(_UPDATE_STATS, parameters)
    else:
        raise InvalidValueError("Either status or stats must be given.")
    if document is None:
        # Another statement: the first may have waited for whoever changed the row, and would
        # still see it as it was before.
        document = await database.json(_BY_ID, {"graph_exec_id": graph_exec_id})
    if document is None:
        raise RecordNotFoundError(f"graph execution {graph_exec_id}")
    return document


def starting_nodes_of(starting_nodes_input: list[tuple[str, JsonText]], most: int | None) -> str:
    """Return pairs of node id and input as the array that the statement reads.

    Args:
        starting_nodes_input: The pairs.
        most: Inputs that all of them may have together; None where they are known to be few.

    Raises:
        LimitExceededError: They have more.
        InvalidValueError: The name of one cannot be stored.
    """
    if most is not None:
        _check_inputs(starting_nodes_input, most)
    pairs = [
        f"[{_encode(node_id).decode()},{_input_rows(node_input)}]"
        for node_id, node_input in starting_nodes_input
    ]
    return f"[{','.join(pairs)}]"


def _input_rows(node_input: JsonText) -> JsonText | str:
    """Return a node's input with each value cleaned, and every name as it came.

    Names go to a text column, which AutoGPT's cleaner doesn't see.
    """
    received = node_input.received
    if received is node_input:
        return node_input
    given = json.loads(received)
    for name in given:
        if "\0" in name:
            raise InvalidValueError(
                "starting_nodes_input has a name with the character U+0000, which PostgreSQL's "
                "text cannot hold."
            )
    cleaned = {name: msgspec.Raw(clean_text_of(value).encode()) for name, value in given.items()}
    return _encode(cleaned).decode()


def _check_inputs(starting_nodes_input: list[tuple[str, JsonText]], most: int) -> None:
    inputs = sum(len(json.loads(node_input)) for _, node_input in starting_nodes_input)
    if inputs > most:
        raise LimitExceededError(
            "starting_nodes_input", f"has {inputs} inputs", "limits.items", most
        )
