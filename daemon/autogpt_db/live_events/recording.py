"""What a statement adds to itself to record the changes that it makes.

Each query stands behind one that returns the changed rows, in the same statement: a change and its
event are committed together or not at all. Where nothing is recorded (`events.enabled`), statements
are what they are without it, to the letter.

A node execution's event doesn't say whose it is, or of which graph: its run does, and readers look
there. A write would pay for that with another table in its statement, for nobody as a rule.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities


def graph_executions_recorded(
    capabilities: Capabilities, changed: LiteralString = "graph_execution"
) -> LiteralString:
    """Return the query, with a comma before it, that records graph executions' new statuses.

    Args:
        capabilities: Whether anything is recorded.
        changed: The query that returns their rows.
    """
    if not capabilities.live_events:
        return ""
    return f""", recorded AS (
    INSERT INTO autogpt_db.live_event (user_id, graph_id, graph_execution_id, status)
    SELECT changed."userId", changed."agentGraphId", changed."id",
           changed."executionStatus"::text
      FROM {changed} AS changed
)"""


def node_executions_recorded(capabilities: Capabilities, changed: LiteralString) -> LiteralString:
    """Return the query, with a comma before it, that records node executions' new statuses.

    Args:
        capabilities: Whether anything is recorded.
        changed: The query that returns their rows.
    """
    if not capabilities.live_events:
        return ""
    return f""", recorded AS (
    INSERT INTO autogpt_db.live_event (graph_execution_id, node_id, node_execution_id, status)
    SELECT changed."agentGraphExecutionId", changed."agentNodeId", changed."id",
           changed."executionStatus"::text
      FROM {changed} AS changed
)"""


def whole_run_recorded(
    capabilities: Capabilities, run: LiteralString, nodes: LiteralString
) -> LiteralString:
    """Return the query, with a comma before it, that records new statuses of a run and its nodes.

    The run's comes first, which two queries of one statement would leave to chance.

    Args:
        capabilities: Whether anything is recorded.
        run: The query that returns the graph execution's row.
        nodes: The query that returns those of its node executions.
    """
    if not capabilities.live_events:
        return ""
    return f""", recorded AS (
    INSERT INTO autogpt_db.live_event
           (user_id, graph_id, graph_execution_id, node_id, node_execution_id, status)
    SELECT run."userId", run."agentGraphId", run."id", NULL, NULL, run."executionStatus"::text
      FROM {run} AS run
     UNION ALL
    SELECT NULL, NULL, changed."agentGraphExecutionId", changed."agentNodeId", changed."id",
           changed."executionStatus"::text
      FROM {nodes} AS changed
)"""


def user_balance_recorded(
    capabilities: Capabilities, moved: LiteralString = "moved"
) -> LiteralString:
    """Return the query, with a comma before it, that records the user's new balance.

    Args:
        capabilities: Whether anything is recorded.
        moved: The query that returns it, as "balance"; no row, if it hasn't changed.
    """
    if not capabilities.live_events:
        return ""
    return f""", recorded AS (
    INSERT INTO autogpt_db.live_event (user_id, balance)
    SELECT %(user_id)s, moved."balance"
      FROM {moved} AS moved
)"""


def organization_balance_recorded(
    capabilities: Capabilities, organization_id: LiteralString = "%(org_id)s"
) -> LiteralString:
    """Return the query, with a comma before it, that records organizations' new balances.

    Args:
        capabilities: Whether anything is recorded.
        organization_id: Whose it is in each row of `moved`.
    """
    if not capabilities.live_events:
        return ""
    return f""", recorded AS (
    INSERT INTO autogpt_db.live_event (organization_id, balance)
    SELECT {organization_id}, moved."balance"
      FROM moved
)"""
