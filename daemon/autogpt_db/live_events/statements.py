"""The statements that read the log of live events."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import LiteralString

# Whose numbers they are: the server's, on its timeline, in this database. After a restore or a
# failover another transaction may have the number that a reader has seen. And what this statement
# sees has a beginning and an end: what was deleted, and what is not certain yet.
_HERE: LiteralString = """
WITH here AS MATERIALIZED (
    SELECT left(
               md5(
                   concat_ws(
                       ' ',
                       (SELECT system_identifier FROM pg_control_system()),
                       CASE WHEN NOT pg_is_in_recovery() THEN
                           left(pg_walfile_name(pg_current_wal_lsn()), 8)
                       END,
                       (SELECT oid FROM pg_database WHERE datname = current_database())
                   )
               ),
               8
           ) AS history,
           pg_snapshot_xmin(now.snapshot) AS horizon,
           pg_snapshot_xmax(now.snapshot) AS beyond
      FROM (SELECT pg_current_snapshot() AS snapshot) AS now
)"""
# Of a node execution's event its run knows whose it is.
_WHOLE: LiteralString = """
  LEFT JOIN platform."AgentGraphExecution" AS run
    ON stored.node_execution_id IS NOT NULL
   AND run."id" = stored.graph_execution_id
 CROSS JOIN LATERAL (
       SELECT COALESCE(stored.user_id, run."userId") AS user_id,
              COALESCE(stored.graph_id, run."agentGraphId") AS graph_id
       ) AS whole"""
_SELECTED: LiteralString = """
   AND (%(user_id)s::text IS NULL OR whole.user_id = %(user_id)s::text)
   AND (%(graph_id)s::text IS NULL OR whole.graph_id = %(graph_id)s::text)
   AND (
       %(graph_execution_id)s::text IS NULL
       OR stored.graph_execution_id = %(graph_execution_id)s::text
   )"""
_TOLD: LiteralString = f"""
), reached AS (
    SELECT (SELECT count(*) FROM looked) AS events, last.transaction_id, last.number
      FROM (VALUES (1)) AS always
      LEFT JOIN (
           SELECT transaction_id, number
             FROM looked
            ORDER BY transaction_id DESC, number DESC
            LIMIT 1
           ) AS last ON true
), event AS (
    SELECT stored.transaction_id, stored.number, whole.user_id, whole.graph_id,
           stored.graph_execution_id,
           CASE
               WHEN stored.status IS NULL THEN 'balance'
               WHEN stored.node_execution_id IS NULL THEN 'graph_execution'
               ELSE 'node_execution'
           END AS kind,
           json_strip_nulls(
               json_build_object(
                   'at', to_char(stored.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                   'user_id', whole.user_id,
                   'organization_id', stored.organization_id,
                   'balance', stored.balance,
                   'graph_id', whole.graph_id,
                   'graph_execution_id', stored.graph_execution_id,
                   'node_id', stored.node_id,
                   'node_execution_id', stored.node_execution_id,
                   'status', stored.status
               )
           )::text AS document
      FROM looked AS stored{_WHOLE}
     WHERE true{_SELECTED}
)
SELECT here.history, here.horizon::text::bigint, here.horizon < here.beyond,
       trim.transaction_id::text::bigint, trim.number,
       reached.events, reached.transaction_id::text::bigint, reached.number,
       event.transaction_id::text::bigint, event.number, event.user_id, event.graph_id,
       event.graph_execution_id, event.kind, event.document
  FROM here
 CROSS JOIN reached
  LEFT JOIN autogpt_db.live_event_trim AS trim ON trim.transaction_id < here.beyond
  LEFT JOIN event ON true
 ORDER BY event.transaction_id, event.number
"""

# However few of them are chosen, so many are looked at and no more: a look stays short.
READ: LiteralString = f"""{_HERE}, looked AS MATERIALIZED (
    SELECT stored.*
      FROM autogpt_db.live_event AS stored
     WHERE (stored.transaction_id, stored.number)
           > (%(transaction_id)s::text::xid8, %(number)s::bigint)
       AND stored.transaction_id < (SELECT here.horizon FROM here)
     ORDER BY stored.transaction_id, stored.number
     LIMIT %(limit)s::integer{_TOLD}"""
"""Events behind a position: those that are chosen of the first ones."""

READ_LAST: LiteralString = f"""{_HERE}, looked AS MATERIALIZED (
    SELECT stored.*
      FROM autogpt_db.live_event AS stored{_WHOLE}
     WHERE stored.transaction_id < (SELECT here.horizon FROM here){_SELECTED}
     ORDER BY stored.transaction_id DESC, stored.number DESC
     LIMIT %(limit)s::integer{_TOLD}"""
"""The last events that are chosen."""
