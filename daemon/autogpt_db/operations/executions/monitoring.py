"""Figures that show whether blocks and agents still do what they did."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from autogpt_db import models
from autogpt_db.operations import Database, Reply, Resource, operation
from autogpt_db.operations.credits.ledger import raw_query
from autogpt_db.signatures.bounds import fetch_list, listed

if TYPE_CHECKING:
    from typing import LiteralString

LEAST_EXECUTIONS_OF_A_BLOCK = 10

BLOCK_ERRORS: LiteralString = """
SELECT COALESCE(json_agg(json_build_object(
           'block_id', block_id,
           'total_executions', total,
           'failed_executions', failed
       )), '[]')
  FROM (
       SELECT node."agentBlockId" AS block_id,
              count(*) AS total,
              count(*) FILTER (WHERE execution."executionStatus" = 'FAILED') AS failed
         FROM platform."AgentNodeExecution" AS execution
         JOIN platform."AgentNode" AS node ON node."id" = execution."agentNodeId"
        WHERE execution."addedTime" BETWEEN %(start_time)s AND %(end_time)s
        GROUP BY node."agentBlockId"
       HAVING count(*) >= %(least)s
  ) AS block
"""

FREQUENT: LiteralString = listed("""
SELECT json_build_object(
           'graph_id', graph_id,
           'user_id', user_id,
           'execution_count', executions
       ) AS document
  FROM (
       SELECT "agentGraphId" AS graph_id, "userId" AS user_id, count(*) AS executions
         FROM platform."AgentGraphExecution"
        WHERE "createdAt" >= autogpt_db.now_v1() - make_interval(days => %(days_back)s)
          AND NOT "isDeleted"
          AND "executionStatus" IN ('COMPLETED', 'FAILED', 'TERMINATED')
        GROUP BY "agentGraphId", "userId"
       HAVING count(*) >= %(min_executions)s
  ) AS frequent
 ORDER BY executions DESC
""")

# A graph that two listings offer in two versions counts its executions twice, as AutoGPT does.
OFFERED: LiteralString = """
SELECT COALESCE(json_agg(json_build_object(
           'graph_id', graph_id,
           'user_id', NULL,
           'execution_count', executions
       ) ORDER BY executions DESC), '[]')
  FROM (
       SELECT offered.graph_id, count(*) AS executions
         FROM (
              SELECT DISTINCT version."agentGraphId" AS graph_id, version."agentGraphVersion"
                FROM platform."StoreListing" AS listing
                JOIN platform."StoreListingVersion" AS version
                     ON version."id" = listing."activeVersionId"
               WHERE listing."hasApprovedVersion" AND NOT listing."isDeleted"
         ) AS offered
         JOIN platform."AgentGraphExecution" AS execution
              ON execution."agentGraphId" = offered.graph_id
        WHERE execution."createdAt" >= autogpt_db.now_v1() - make_interval(days => %(days_back)s)
          AND NOT execution."isDeleted"
          AND execution."executionStatus" IN ('COMPLETED', 'FAILED', 'TERMINATED')
        GROUP BY offered.graph_id
       HAVING count(*) >= %(min_executions)s
  ) AS frequent
"""

_DAY: LiteralString = """
       json_build_object(
           'date', to_char(day, 'YYYY-MM-DD"T"HH24:MI:SS'),
           'daily_score', score,
           'three_day_avg', three,
           'seven_day_avg', seven,
           'fourteen_day_avg', fourteen
       )"""

# The averages go over days that had executions, whatever lies between them.
TRENDS: LiteralString = f"""
WITH daily AS (
    SELECT date_trunc('day', "createdAt") AS day,
           avg(("stats" ->> 'correctness_score')::float8 * 100) AS score
      FROM platform."AgentGraphExecution"
     WHERE "agentGraphId" = %(graph_id)s
       AND (%(user_id)s::text IS NULL OR "userId" = %(user_id)s::text)
       AND NOT "isDeleted"
       AND "executionStatus" IN ('COMPLETED', 'FAILED', 'TERMINATED')
       AND "createdAt" >= autogpt_db.now_v1() - make_interval(days => %(days_back)s)
     GROUP BY day
), trend AS MATERIALIZED (
    SELECT day, score,
           avg(score) OVER (ORDER BY day ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS three,
           avg(score) OVER (ORDER BY day ROWS BETWEEN 6 PRECEDING AND CURRENT ROW) AS seven,
           avg(score) OVER (ORDER BY day ROWS BETWEEN 13 PRECEDING AND CURRENT ROW) AS fourteen
      FROM daily
), latest AS (
    SELECT day, score, three, seven, fourteen,
           CASE WHEN seven > 0 THEN (seven - three) / seven * 100 END AS drop
      FROM trend
     ORDER BY day DESC
     LIMIT 1
), moment AS (
    SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS now
)
SELECT json_build_object(
           'latest_data', COALESCE(
               (SELECT {_DAY} FROM latest),
               json_build_object(
                   'date', moment.now,
                   'daily_score', NULL,
                   'three_day_avg', NULL,
                   'seven_day_avg', NULL,
                   'fourteen_day_avg', NULL
               )
           ),
           'alert', (
               SELECT json_build_object(
                          'graph_id', %(graph_id)s::text,
                          'user_id', %(user_id_as_passed)s::text,
                          'drop_percent', latest.drop,
                          'three_day_avg', latest.three,
                          'seven_day_avg', latest.seven,
                          'detected_at', moment.now
                      )
                 FROM latest
                WHERE latest.drop >= %(drop_threshold)s
           ),
           'historical_data', (
               SELECT json_agg({_DAY} ORDER BY day DESC) FROM trend WHERE %(include_historical)s
           )
       )
  FROM moment
"""


@operation(reads=True, heavy=True, rest=Resource("/statistics/block-errors"))
async def get_block_error_stats(
    database: Database, start_time: datetime, end_time: datetime
) -> Reply[list[models.BlockErrorStats]]:
    """Count each block's executions and failures; blocks with fewer than ten are left out.

    Args:
        start_time: First moment at which the executions were added.
        end_time: Last moment.
    """
    parameters = {
        "start_time": start_time,
        "end_time": end_time,
        "least": LEAST_EXECUTIONS_OF_A_BLOCK,
    }
    return await database.json(BLOCK_ERRORS, parameters)


@operation(reads=True, heavy=True, rest=Resource("/statistics/frequent-graphs"))
async def get_frequently_executed_graphs(
    database: Database, days_back: int = 30, min_executions: int = 10
) -> Reply[list[models.FrequentlyExecutedGraph]]:
    """List graphs and users by the number of ended executions, most first.

    Args:
        days_back: Days to look back.
        min_executions: Least number of executions.

    Raises:
        ResultTooLargeError: The list is longer or larger than the settings allow.
    """
    return await fetch_list(
        database,
        FREQUENT,
        {"days_back": days_back, "min_executions": min_executions},
        narrow="give fewer days_back, or more min_executions",
    )


@operation(reads=True, heavy=True, rest=Resource("/statistics/marketplace-graphs"))
async def get_marketplace_graphs_for_monitoring(
    database: Database, days_back: int = 30, min_executions: int = 10
) -> Reply[list[models.MarketplaceGraphData]]:
    """List graphs that the marketplace offers by the number of ended executions, most first.

    Executions of any version and by any user count; `user_id` is always null.

    Args:
        days_back: Days to look back.
        min_executions: Least number of executions.
    """
    return await database.json(OFFERED, {"days_back": days_back, "min_executions": min_executions})


@operation(reads=True, heavy=True, rest=Resource("/graphs/{graph_id}/accuracy"))
async def get_accuracy_trends_and_alerts(
    database: Database,
    graph_id: str,
    days_back: int = 30,
    user_id: str | None = None,
    drop_threshold: float = 10.0,
    include_historical: bool = False,
) -> Reply[models.AccuracyTrendsResponse]:
    """Compare a graph's latest correctness scores, in percent, with those of the days before.

    Args:
        graph_id: The graph.
        days_back: Days to look back.
        user_id: Whose executions; everybody's where none is given.
        drop_threshold: Percent by which the average of three days must be below that of seven to
            be an alert.
        include_historical: Whether to return every day, newest first.

    Raises:
        RawQueryError: A stored score is no number.
    """
    with raw_query():
        return await database.json(
            TRENDS,
            {
                "graph_id": graph_id,
                "days_back": days_back,
                "user_id": user_id or None,
                "user_id_as_passed": user_id,
                "drop_threshold": drop_threshold,
                "include_historical": include_historical,
            },
        )
