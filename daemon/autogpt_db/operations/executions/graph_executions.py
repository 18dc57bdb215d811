"""Single graph executions, and the children of one, read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db import models
from autogpt_db.database.capabilities import ForSchema
from autogpt_db.operations import FEW_CALLS, Database, Merged, Reply, operation
from autogpt_db.operations.executions.graph_execution_documents import (
    graph_execution_document,
    graph_execution_meta,
    graph_execution_with_nodes_document,
)
from autogpt_db.operations.users.tenancy import visible
from autogpt_db.signatures.bounds import fetch_document, fetch_list, listed

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities

_OWN: LiteralString = """
    SELECT *
      FROM platform."AgentGraphExecution"
     WHERE "id" = %(execution_id)s AND "userId" = %(user_id)s AND NOT "isDeleted"
"""


def _visible(
    capabilities: Capabilities,
    user_id: LiteralString = "%(user_id)s",
    organization_id: LiteralString = "%(organization_id)s",
) -> LiteralString:
    """Return the condition that a user sees an execution for an organization."""
    condition = visible(
        capabilities, "graph_execution", user_id=user_id, organization_id=organization_id
    )
    if capabilities.pods:  # what an expert has run is its owner's alone
        condition += f"""
       AND (graph_execution."expertId" IS NULL OR graph_execution."userId" = {user_id})"""
    return condition


def _seen(capabilities: Capabilities) -> LiteralString:
    return f"""
    SELECT *
      FROM platform."AgentGraphExecution" AS graph_execution
     WHERE graph_execution."id" = %(execution_id)s
       AND NOT graph_execution."isDeleted"
       AND {_visible(capabilities)}
"""


_OF_USER = ForSchema(lambda capabilities: graph_execution_document(capabilities, _OWN))
_OF_USER_WITH_NODES = ForSchema(
    lambda capabilities: graph_execution_with_nodes_document(capabilities, _OWN)
)
_SEEN = ForSchema(lambda capabilities: graph_execution_document(capabilities, _seen(capabilities)))
_SEEN_WITH_NODES = ForSchema(
    lambda capabilities: graph_execution_with_nodes_document(capabilities, _seen(capabilities))
)
_META_OF_USER = ForSchema(
    lambda capabilities: Merged(
        single=f"""
SELECT row_to_json(result)
  FROM (SELECT {graph_execution_meta(capabilities)} FROM ({_OWN}) AS graph_execution) AS result
""",
        batch=f"""
SELECT call.place, row_to_json(result)
  FROM json_to_recordset(%(calls)s::json) AS call (place integer, execution_id text, user_id text)
 CROSS JOIN LATERAL (
        SELECT {graph_execution_meta(capabilities)}
          FROM platform."AgentGraphExecution" AS graph_execution
         WHERE graph_execution."id" = call.execution_id
           AND graph_execution."userId" = call.user_id
           AND NOT graph_execution."isDeleted"
       ) AS result
 WHERE {FEW_CALLS}
""",
        texts=("execution_id", "user_id"),
        reads=True,
    )
)
_META_SEEN = ForSchema(
    lambda capabilities: Merged(
        single=f"""
SELECT row_to_json(result)
  FROM (
        SELECT {graph_execution_meta(capabilities)}
          FROM ({_seen(capabilities)}) AS graph_execution
       ) AS result
""",
        batch=f"""
SELECT call.place, row_to_json(result)
  FROM json_to_recordset(%(calls)s::json) AS call (
           place integer, execution_id text, user_id text, organization_id text
       )
 CROSS JOIN LATERAL (
        SELECT {graph_execution_meta(capabilities)}
          FROM platform."AgentGraphExecution" AS graph_execution
         WHERE graph_execution."id" = call.execution_id
           AND NOT graph_execution."isDeleted"
           AND {_visible(capabilities, "call.user_id", "call.organization_id")}
       ) AS result
 WHERE {FEW_CALLS}
""",
        texts=("execution_id", "user_id", "organization_id"),
        reads=True,
    )
)
_CHILDREN = ForSchema(
    lambda capabilities: listed(f"""
SELECT row_to_json(result) AS document
  FROM (
        SELECT {graph_execution_meta(capabilities)}
          FROM platform."AgentGraphExecution" AS graph_execution
         WHERE "parentGraphExecutionId" = %(parent_exec_id)s AND NOT "isDeleted"
         ORDER BY graph_execution.ctid
       ) AS result
""")
)


@operation(reads=True)
async def get_child_graph_executions(
    database: Database, parent_exec_id: str
) -> Reply[list[models.GraphExecutionMeta]]:
    """List the executions that an execution has started.

    Args:
        parent_exec_id: The starting execution.

    Returns:
        Their GraphExecutionMeta, deleted ones left out; empty for an unknown parent.

    Raises:
        ResultTooLargeError: The list is longer or larger than the settings allow.
    """
    return await fetch_list(
        database,
        _CHILDREN(database.capabilities),
        {"parent_exec_id": parent_exec_id},
        narrow="use get_graph_executions with a limit",
    )


@operation(reads=True, heavy=True)
async def get_graph_execution(
    database: Database,
    user_id: str,
    execution_id: str,
    include_node_executions: bool = False,
    organization_id: str | None = None,
) -> Reply[models.GraphExecutionWithNodes | models.GraphExecution | None]:
    """Return an execution that a user sees, with its inputs and outputs, or null.

    Args:
        user_id: Its owner.
        execution_id: The execution.
        include_node_executions: Whether to add its newest 1000 node executions.
        organization_id: The organization that it is looked at for: then the user also sees what
            this organization's home and the user's teams in it have run.

    Returns:
        A GraphExecution, or a GraphExecutionWithNodes.

    Raises:
        ValidationFailedError: Its stored inputs or credentials do not validate.
        ResultTooLargeError: It is larger than the settings allow.
    """
    if organization_id is None:
        statement = _OF_USER_WITH_NODES if include_node_executions else _OF_USER
    else:
        statement = _SEEN_WITH_NODES if include_node_executions else _SEEN
    return await fetch_document(
        database,
        statement(database.capabilities),
        {"user_id": user_id, "execution_id": execution_id, "organization_id": organization_id},
        narrow="leave its node executions out, and read them by get_node_executions with a limit",
    )


@operation(reads=True)
async def get_graph_execution_meta(
    database: Database, user_id: str, execution_id: str, organization_id: str | None = None
) -> Reply[models.GraphExecutionMeta | None]:
    """Return an execution that a user sees, without what its nodes did, or null.

    Args:
        user_id: Its owner.
        execution_id: The execution.
        organization_id: As in `get_graph_execution`.

    Returns:
        A GraphExecutionMeta.

    Raises:
        ValidationFailedError: Its stored inputs or credentials do not validate.
    """
    parameters = {"user_id": user_id, "execution_id": execution_id}
    if organization_id is None:
        return await database.merged(_META_OF_USER(database.capabilities), parameters)
    parameters["organization_id"] = organization_id
    return await database.merged(_META_SEEN(database.capabilities), parameters)
