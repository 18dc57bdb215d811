"""Graph executions, made."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

from autogpt_db import models
from autogpt_db.database.capabilities import ForSchema
from autogpt_db.errors import InvalidValueError, LimitExceededError
from autogpt_db.live_events import recording
from autogpt_db.operations import (
    CredentialInputs,
    Database,
    JsonObject,
    JsonObjectOfObjects,
    Reply,
    StartingNodesInput,
    operation,
)
from autogpt_db.operations.executions.graph_execution_documents import (
    graph_execution_with_nodes_document,
)
from autogpt_db.operations.executions.node_execution_documents import node_execution_columns
from autogpt_db.signatures.json_text import JsonText, clean_text_of
from autogpt_db.signatures.repeats import harmful

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities


def _inserted(capabilities: Capabilities, *, dry_run: bool, by_expert: bool) -> LiteralString:
    """Return the statement that makes the execution's own row.

    Args:
        capabilities: What the database has.
        dry_run: Whether it is one.
        by_expert: Whether an expert runs it: there is no row unless this is one of the user's that
            may.
    """
    columns: LiteralString = ""
    values: LiteralString = ""
    status: LiteralString = "'INCOMPLETE'"
    if dry_run:
        columns += ', "stats"'
        values += """, '{"is_dry_run": true}'::jsonb"""
    if capabilities.orgs:
        columns += ', "organizationId", "teamId"'
        values += ", %(organization_id)s, %(team_id)s"
    if by_expert:
        columns += ', "expertId"'
        values += ', expert."id"'
        status += '::platform."AgentExecutionStatus"'
    row: LiteralString = f"""gen_random_uuid()::text, %(graph_id)s, %(graph_version)s, %(user_id)s,
            autogpt_db.now_v1(), autogpt_db.now_v1(), {status},
            %(preset_id)s, %(parent_graph_exec_id)s, %(inputs)s::jsonb,
            COALESCE(%(credential_inputs)s::jsonb, '{{}}'),
            COALESCE(%(nodes_input_masks)s::jsonb, '{{}}'){values}"""
    return f"""
    INSERT INTO platform."AgentGraphExecution"
           ("id", "agentGraphId", "agentGraphVersion", "userId", "createdAt", "updatedAt",
            "executionStatus", "agentPresetId", "parentGraphExecutionId",
            "inputs", "credentialInputs", "nodesInputMasks"{columns})
    {f"SELECT {row} {_expert(capabilities)}" if by_expert else f"VALUES ({row})"}
    RETURNING *
"""


def _expert(capabilities: Capabilities) -> LiteralString:
    live: LiteralString = ""
    if capabilities.pods:
        live = """
       AND NOT expert."isArchived"
       AND expert."visibility" = 'PRIVATE'"""
    return f"""
      FROM platform."Expert" AS expert
     WHERE expert."id" = %(expert_id)s
       AND expert."ownerUserId" = %(user_id)s
       AND NOT expert."isTemplate"{live}"""


# Where library agents know when they last ran, that is part of making an execution.
_TOUCHED: LiteralString = """
touched AS (
    UPDATE platform."LibraryAgent" AS agent
       SET "lastRunAt" = graph_execution."createdAt",
           "updatedAt" = autogpt_db.now_v1()
      FROM graph_execution
     WHERE agent."agentGraphId" = graph_execution."agentGraphId"
       AND agent."userId" = graph_execution."userId"
       AND (agent."lastRunAt" IS NULL OR agent."lastRunAt" < graph_execution."createdAt")
),"""


def _created(
    capabilities: Capabilities, *, dry_run: bool = False, by_expert: bool = False
) -> LiteralString:
    only_with_row: LiteralString = ""
    if by_expert:
        only_with_row = """
     CROSS JOIN graph_execution"""
    return graph_execution_with_nodes_document(
        capabilities,
        _inserted(capabilities, dry_run=dry_run, by_expert=by_expert),
        f"""{_TOUCHED if capabilities.last_run else ""}
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
){recording.whole_run_recorded(capabilities, "graph_execution", "queued")},
entered AS (
    INSERT INTO platform."AgentNodeExecutionInputOutput"
           ("id", "name", "time", "referencedByInputExecId", "data")
    SELECT autogpt_db.ordered_id_v1(0), entry.key, autogpt_db.now_v1(), starting.id, entry.value
      FROM starting
     CROSS JOIN LATERAL jsonb_each(starting.input) AS entry{only_with_row}
     ORDER BY starting.place
),
loaded AS (
    SELECT {
            node_execution_columns(
                capabilities,
                inputs="starting.input",
                outputs="'{}'::json",
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


_CREATE = ForSchema(_created)
_CREATE_DRY_RUN = ForSchema(lambda capabilities: _created(capabilities, dry_run=True))
_CREATE_BY_EXPERT = ForSchema(
    lambda capabilities: {
        dry_run: _created(capabilities, dry_run=dry_run, by_expert=True)
        for dry_run in (False, True)
        if capabilities.expert_runs
    }
)

_encode = msgspec.json.Encoder().encode


@operation(
    reads=False,
    repeat=harmful("Makes another execution."),
    honoured={"organization_id": "orgs", "team_id": "orgs", "expert_id": "expert_runs"},
)
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
    is_dry_run: bool = False,
    organization_id: str | None = None,
    team_id: str | None = None,
    expert_id: str | None = None,
) -> Reply[models.GraphExecutionWithNodes]:
    """Make an execution, with a queued node execution for each node that starts it.

    Nothing is checked but that what is named exists. Where library agents know when they last ran,
    the user's of this graph have just run.

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
        is_dry_run: Whether nothing is really to be done; its stats say so.
        organization_id: The organization it is made for; nothing checks that there is one.
        team_id: The team it is made for.
        expert_id: The expert that runs it.

    Returns:
        A GraphExecutionWithNodes, INCOMPLETE, its node executions in the order given.

    Raises:
        ForeignKeyViolationError: Graph, user, preset, parent, team or a node doesn't exist; nothing
            is written.
        InvalidValueError: The expert is none of the user's, or may not run.
        LimitExceededError: The nodes have more inputs than the settings allow.
    """
    capabilities = database.capabilities
    limits = database.settings.limits
    texts = [node_input for _, node_input in starting_nodes_input]
    # Each input becomes a row: a colon stands behind every name, and few stand elsewhere.
    many = sum(text.count(":") for text in texts) > limits.items
    # What is clean is passed on as it is; anything else is looked into.
    size = sum(map(len, texts)) if many or any(text.received is not text for text in texts) else 0
    starting_nodes = await database.computed(
        size, starting_nodes_of, starting_nodes_input, limits.items if many else None
    )
    if expert_id:
        statement = _CREATE_BY_EXPERT(capabilities)[is_dry_run]
    else:
        statement = (_CREATE_DRY_RUN if is_dry_run else _CREATE)(capabilities)
    document = await database.json(
        statement,
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
            "organization_id": organization_id or None,
            "team_id": team_id or None,
            "expert_id": expert_id,
        },
    )
    if document is None:
        raise InvalidValueError(f"Expert #{expert_id} is unavailable")
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
