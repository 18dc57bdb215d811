"""Values that nodes keep for a user from one execution to the next."""

from __future__ import annotations

from typing import Any, LiteralString

from autogpt_db.operations import (
    BOUNDED_CALLS,
    FEW_CALLS,
    Database,
    JsonValue,
    Merged,
    Reply,
    operation,
)
from autogpt_db.signatures.repeats import harmless

_GET = Merged(
    single="""
SELECT to_json("data")
  FROM platform."AgentNodeExecutionKeyValueData"
 WHERE "userId" = %(user_id)s AND "key" = %(key)s AND autogpt_db.truthy_v1("data")
""",
    batch=f"""
SELECT call.place, to_json(stored."data")
  FROM json_to_recordset(%(calls)s::json) AS call (place integer, user_id text, key text)
 CROSS JOIN LATERAL (
        SELECT "data"
          FROM platform."AgentNodeExecutionKeyValueData"
         WHERE "userId" = call.user_id AND "key" = call.key AND autogpt_db.truthy_v1("data")
       ) AS stored
 WHERE {FEW_CALLS}
""",
    texts=("user_id", "key"),
    reads=True,
)
_TRUTHY: LiteralString = (
    'CASE WHEN autogpt_db.truthy_v1(stored."data") THEN to_json(stored."data") END'
)
# A JSON null reads as a missing member, so it is put back.
_SET = Merged(
    single="""
INSERT INTO platform."AgentNodeExecutionKeyValueData" AS stored
       ("userId", "key", "agentNodeExecutionId", "data", "createdAt", "updatedAt")
VALUES (%(user_id)s, %(key)s, %(node_exec_id)s, %(data)s::jsonb,
        autogpt_db.now_v1(), autogpt_db.now_v1())
    ON CONFLICT ("userId", "key") DO UPDATE
   SET "agentNodeExecutionId" = EXCLUDED."agentNodeExecutionId",
       "data" = EXCLUDED."data",
       "updatedAt" = EXCLUDED."updatedAt"
RETURNING CASE WHEN autogpt_db.truthy_v1(stored."data") THEN to_json(stored."data") END
""",
    batch=f"""
WITH call AS MATERIALIZED (
    SELECT *
      FROM {BOUNDED_CALLS} AS call (
               place integer, user_id text, key text, node_exec_id text, data jsonb
           )
     WHERE {FEW_CALLS}
), stored AS (
    INSERT INTO platform."AgentNodeExecutionKeyValueData" AS stored
           ("userId", "key", "agentNodeExecutionId", "data", "createdAt", "updatedAt")
    SELECT call.user_id, call.key, call.node_exec_id, COALESCE(call.data, 'null'),
           autogpt_db.now_v1(), autogpt_db.now_v1()
      FROM call
     ORDER BY call.place
        ON CONFLICT ("userId", "key") DO UPDATE
       SET "agentNodeExecutionId" = EXCLUDED."agentNodeExecutionId",
           "data" = EXCLUDED."data",
           "updatedAt" = EXCLUDED."updatedAt"
    RETURNING stored."userId", stored."key", stored."data"
)
SELECT call.place, {_TRUTHY}
  FROM stored
  JOIN call ON call.user_id = stored."userId" AND call.key = stored."key"
""",
    texts=("user_id", "key", "node_exec_id"),
    documents=("data",),
    key=("user_id", "key"),
    answer=("call.place", _TRUTHY),
)


@operation(reads=True)
async def get_execution_kv_data(database: Database, user_id: str, key: str) -> Reply[Any]:
    """Return the value that a user's nodes keep under a key.

    Args:
        user_id: The user.
        key: The key.

    Returns:
        The value; null when there is none, or when it is 0, false, or empty.
    """
    return await database.merged(_GET, {"user_id": user_id, "key": key})


@operation(
    reads=False,
    at_once=True,
    repeat=harmless("Stores the same again, over what others have stored since."),
)
async def set_execution_kv_data(
    database: Database, user_id: str, node_exec_id: str, key: str, data: JsonValue
) -> Reply[Any]:
    """Keep a value for a user under a key, in place of the one before.

    Args:
        user_id: The user; need not exist.
        node_exec_id: Who stores it; need not exist.
        key: The key.
        data: The value.

    Returns:
        What `get_execution_kv_data` would return now.
    """
    return await database.merged(
        _SET, {"user_id": user_id, "node_exec_id": node_exec_id, "key": key, "data": data}
    )
