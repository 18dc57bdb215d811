"""The SQL that makes documents of human reviews: fragments that speak of `review`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities


def review_document(origin: LiteralString) -> LiteralString:
    """Return a review as `json`.

    Chats have no executions: their reviews name a session in the place of one, and a block in that
    of a node. `node_execution`, the row of AgentNodeExecution that a review is of, may have found
    none.

    Args:
        origin: The members that say where the review comes from, each followed by a comma; may be
            empty.
    """
    return f"""json_build_object(
           'node_exec_id', review."nodeExecId",
           'node_id', CASE
               WHEN starts_with(review."nodeExecId", 'copilot-')
               THEN regexp_replace(review."nodeExecId", ':[^:]*$', '')
               ELSE COALESCE(node_execution."agentNodeId", review."nodeExecId")
           END,
           'user_id', review."userId",
           'graph_exec_id', review."graphExecId",
           'graph_id', review."graphId",
           'graph_version', review."graphVersion",
           'payload', review."payload",
           'instructions', review."instructions",
           'editable', review."editable",
           'status', review."status",
           'review_message', review."reviewMessage",{origin}
           'was_edited', review."wasEdited",
           'processed', review."processed",
           'created_at', autogpt_db.iso_v1(review."createdAt"),
           'updated_at', autogpt_db.iso_v1(review."updatedAt"),
           'reviewed_at', autogpt_db.iso_v1(review."reviewedAt")
       )"""


def unsaid_origin(capabilities: Capabilities) -> LiteralString:
    """Return the origin of a review that nobody looks up: null, where a release has members for it.

    Args:
        capabilities: What the database has.
    """
    if not capabilities.expert_runs:
        return ""
    return """
           'expert_id', NULL,
           'expert_name', NULL,
           'expert_avatar_url', NULL,
           'agent_name', NULL,
           'library_agent_id', NULL,
           'session_id', NULL,"""
