"""What a shared chat shows: the executions that it starts, and the files that these speak of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.database.capabilities import ForSchema
from autogpt_db.operations import Database, operation
from autogpt_db.operations.executions.node_execution_documents import input_data
from autogpt_db.operations.graphs.blocks import OUTPUT_BLOCKS
from autogpt_db.signatures.repeats import harmless

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities

# Nearly every chat is its user's alone: that is known by one look at an index.
_SHARES: LiteralString = """
SELECT EXISTS (
    SELECT
      FROM platform."ChatSession"
     WHERE "id" = %(session_id)s AND "isShared" AND "autoShareExecutions"
)
"""

_UUID: LiteralString = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


# The session is locked, so that it cannot cease to be shared meanwhile; then the execution: a chat
# that is being deleted may just be ending its sharing, as the last one linked to it. `started` is
# as that has left it. `graph_execution` is the execution if this call has shared it; one that is
# shared already keeps its token and files.
def _link(capabilities: Capabilities) -> LiteralString:
    blocks: LiteralString = "', '".join(OUTPUT_BLOCKS)
    return f"""
WITH session AS MATERIALIZED (
    SELECT "id", "userId"
      FROM platform."ChatSession"
     WHERE "id" = %(session_id)s AND "isShared" AND "autoShareExecutions"
       FOR SHARE
), started AS MATERIALIZED (
    SELECT execution."id", execution."isShared"
      FROM session
      JOIN platform."AgentGraphExecution" AS execution ON execution."userId" = session."userId"
     WHERE execution."id" = %(execution_id)s AND NOT execution."isDeleted"
       FOR NO KEY UPDATE OF execution
), linked AS (
    INSERT INTO platform."ChatLinkedShare" ("id", "createdAt", "sessionId", "executionId")
    SELECT gen_random_uuid()::text, autogpt_db.now_v1(), %(session_id)s, started."id"
      FROM started
        ON CONFLICT DO NOTHING
    RETURNING "executionId"
), graph_execution AS (
    UPDATE platform."AgentGraphExecution" AS execution
       SET "isShared" = true,
           "shareToken" = gen_random_uuid()::text,
           "sharedAt" = autogpt_db.now_v1(),
           "sharedVia" = 'CHAT_LINK',
           "updatedAt" = autogpt_db.now_v1()
      FROM linked
      JOIN started ON started."id" = linked."executionId"
     WHERE execution."id" = started."id" AND NOT started."isShared"
    RETURNING execution."id", execution."userId", execution."shareToken"
), output AS (
    SELECT {input_data(capabilities)} AS input
      FROM graph_execution
      JOIN platform."AgentNodeExecution" AS execution
        ON execution."agentGraphExecutionId" = graph_execution."id"
      JOIN platform."AgentNode" AS node ON node."id" = execution."agentNodeId"
     WHERE node."agentBlockId" IN ('{blocks}')
), mentioned AS (
    SELECT DISTINCT mention.parts[1] AS id
      FROM output
     CROSS JOIN jsonb_path_query(
               output.input -> 'value', 'strict $.** ? (@.type() == "string")'
           ) AS part (value)
     CROSS JOIN LATERAL (
            SELECT regexp_matches(part.value #>> '{{}}', 'workspace://([a-z0-9-]+)', 'g') AS parts
             UNION ALL
            SELECT regexp_matches(
                       part.value #>> '{{}}', '(?:file_id=|"file_id"\\s*:\\s*")({_UUID})\\y', 'g'
                   )
           ) AS mention
     WHERE output.input ? 'name'
)
INSERT INTO platform."SharedExecutionFile"
       ("id", "createdAt", "executionId", "fileId", "shareToken")
SELECT gen_random_uuid()::text, autogpt_db.now_v1(), graph_execution."id", file."id",
       graph_execution."shareToken"
  FROM graph_execution
  JOIN platform."UserWorkspace" AS workspace ON workspace."userId" = graph_execution."userId"
 CROSS JOIN mentioned
  JOIN platform."UserWorkspaceFile" AS file
    ON file."id" = mentioned.id AND file."workspaceId" = workspace."id"
 WHERE NOT file."isDeleted"
    ON CONFLICT DO NOTHING
"""


LINK = ForSchema(_link)
"""Shows an execution, and the files that it has put out, with a chat that is shared."""


@operation(reads=False, repeat=harmless("Finds the execution linked, and changes nothing."))
async def link_new_execution_to_chat_share(
    database: Database, session_id: str, execution_id: str
) -> None:
    """Share an execution along with the chat that has started it, if that shares what it starts.

    The execution is shared with the files of its user's workspace that its outputs name so far. One
    that is shared already stays as it is, and is only linked. Anything else is passed over: a chat
    that is not shared, or shared without what it starts, an execution of somebody else's.

    Args:
        session_id: The chat session.
        execution_id: The graph execution.
    """
    given = {"session_id": session_id, "execution_id": execution_id}
    if await database.row(_SHARES, {"session_id": session_id}) == (True,):
        await database.execute(LINK(database.capabilities), given)
