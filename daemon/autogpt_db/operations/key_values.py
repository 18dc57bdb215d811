"""Values that nodes keep for a user from one execution to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.operations import Database, JsonValue, operation

if TYPE_CHECKING:
    from typing import LiteralString

_GET: LiteralString = """
SELECT to_json("data")
  FROM platform."AgentNodeExecutionKeyValueData"
 WHERE "userId" = %(user_id)s AND "key" = %(key)s AND autogpt_db.truthy_v1("data")
"""
_SET: LiteralString = """
INSERT INTO platform."AgentNodeExecutionKeyValueData" AS stored
       ("userId", "key", "agentNodeExecutionId", "data", "createdAt", "updatedAt")
VALUES (%(user_id)s, %(key)s, %(node_exec_id)s, %(data)s::jsonb,
        autogpt_db.now_v1(), autogpt_db.now_v1())
    ON CONFLICT ("userId", "key") DO UPDATE
   SET "agentNodeExecutionId" = EXCLUDED."agentNodeExecutionId",
       "data" = EXCLUDED."data",
       "updatedAt" = EXCLUDED."updatedAt"
RETURNING CASE WHEN autogpt_db.truthy_v1(stored."data") THEN to_json(stored."data") END
"""


@operation(reads=True)
async def get_execution_kv_data(database: Database, user_id: str, key: str) -> bytes | None:
    """Return the value that a user's nodes keep under a key.

    Args:
        user_id: The user.
        key: The key.

    Returns:
        The value; null when there is none, or when it is 0, false, or empty.
    """
    return await database.json(_GET, {"user_id": user_id, "key": key})


@operation(reads=False)
async def set_execution_kv_data(
    database: Database, user_id: str, node_exec_id: str, key: str, data: JsonValue
) -> bytes | None:
    """Keep a value for a user under a key, in place of the one before.

    Repeating the call changes nothing.

    Args:
        user_id: The user; need not exist.
        node_exec_id: Who stores it; need not exist.
        key: The key.
        data: The value.

    Returns:
        What `get_execution_kv_data` would return now.
    """
    return await database.json(
        _SET, {"user_id": user_id, "node_exec_id": node_exec_id, "key": key, "data": data}
    )
