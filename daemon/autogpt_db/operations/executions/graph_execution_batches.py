"""Graph executions that are changed each by a call of its own, many with one statement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.operations import BOUNDED_CALLS, FEW_CALLS, Merged
from autogpt_db.operations.executions.graph_execution_documents import graph_execution_of_row

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities


def changing(
    capabilities: Capabilities,
    single: LiteralString,
    columns: Mapping[LiteralString, LiteralString],
    changes: LiteralString,
    *,
    guard: LiteralString = "",
    recorded: LiteralString = "",
) -> Merged:
    """Return what changes one execution for a call, and many for many.

    Args:
        capabilities: What the database has.
        single: The statement for one call.
        columns: Parameters of a call beside its execution, with their types.
        changes: What is set, by the row of a call, `held`.
        guard: Further conditions, by that row.
        recorded: The query that records the changes, if any, with a comma before it.
    """
    named: LiteralString = "".join([f", {name} {kind}" for name, kind in columns.items()])
    return Merged(
        single=single,
        batch=f"""
WITH call AS MATERIALIZED (
    SELECT *
      FROM {BOUNDED_CALLS} AS call (place integer, graph_exec_id text{named})
     WHERE {FEW_CALLS}
), held AS MATERIALIZED (
    -- Locked in the order of the calls, which is that of their keys; and only what may change, as
    -- the single statement does: others wait for no row that this one leaves as it is.
    SELECT held.*
      FROM call AS held
     CROSS JOIN LATERAL (
            SELECT
              FROM platform."AgentGraphExecution" AS graph_execution
             WHERE graph_execution."id" = held.graph_exec_id{guard}
               FOR NO KEY UPDATE
           ) AS graph_execution
), graph_execution AS (
    UPDATE platform."AgentGraphExecution" AS graph_execution
       SET {changes}
      FROM held
     WHERE graph_execution."id" = held.graph_exec_id{guard}
    RETURNING held.place, graph_execution.*
){recorded}
SELECT graph_execution.place, {graph_execution_of_row(capabilities)}
  FROM graph_execution
""",
        texts=("graph_exec_id", *(name for name, kind in columns.items() if kind == "text")),
        documents=tuple(name for name, kind in columns.items() if kind != "text"),
        key=("graph_exec_id",),
    )
