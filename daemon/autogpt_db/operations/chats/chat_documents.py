"""How chat sessions and messages are shown, in the members that the database's release has.

Columns of JSON that hold a JSON text are read once more, as AutoGPT does it. Where one holds what
no caller could take, the member has its default: one odd row must not hide a whole list. It is told
once in the log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autogpt_db.database.capabilities import ForSchema

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities


class _Shape(NamedTuple):
    """What a column of JSON is to hold.

    Attributes:
        kind: What `jsonb_typeof` says of it.
        odd: A path that finds what must not be in it; none looks for nothing.
    """

    kind: LiteralString
    odd: LiteralString | None = None


_OBJECT = _Shape("object")
_OBJECT_OF_OBJECTS = _Shape("object", 'strict $.* ? (@.type() != "object")')
_OBJECT_OF_COUNTS = _Shape("object", 'strict $.* ? (@.type() != "number" || @ != @.floor())')
_LIST_OF_OBJECTS = _Shape("array", 'strict $[*] ? (@.type() != "object")')


def _read(
    alias: LiteralString, name: LiteralString, shape: _Shape, otherwise: LiteralString
) -> LiteralString:
    """Return a column's JSON where it fits, read once more where it is a text.

    Args:
        alias: Its table's, "ChatSession" AS session or "ChatMessage" AS message.
        name: The column's.
        shape: What it is to hold.
        otherwise: What stands where it doesn't fit.
    """
    column: LiteralString = f'{alias}."{name}"'
    # As most rows are, which then need no look at what is in there.
    plain: LiteralString = f"{column} IS NULL" if otherwise == "NULL" else f"{column} = {otherwise}"
    fits: LiteralString = f"jsonb_typeof({column}) = '{shape.kind}'"
    odd: LiteralString = "NULL"
    if shape.odd is not None:
        odd = f"'{shape.odd}'"
        fits = f"""CASE jsonb_typeof({column})
                   WHEN '{shape.kind}' THEN NOT jsonb_path_exists({column}, {odd})
               END"""
    return f"""CASE
               WHEN {plain} THEN {otherwise}
               WHEN {fits} THEN {column}
               ELSE autogpt_db.reread_column_v1(
                   {column}, '{shape.kind}', {odd}, {otherwise}, '{alias} {name}', {alias}."id"
               )
           END"""


def plain_metadata(*, stamps: bool) -> LiteralString:
    """Return the metadata of a session of which nothing is said, as JSON.

    Args:
        stamps: Whether with what releases with stamps have.
    """
    stamp: LiteralString = ""
    if stamps:
        stamp = ', "llm_auth_provider": "platform", "llm_credential_id": null'
    return (
        f'{{"dry_run": false{stamp}, "builder_graph_id": null, "source_platform": null, '
        '"kind": "normal", "dream_pass_id": null}'
    )


def _metadata(capabilities: Capabilities) -> LiteralString:
    plain = plain_metadata(stamps=capabilities.stamps)
    if not capabilities.chat_metadata:
        return f"'{plain}'::json"
    return f"""CASE session."metadata"
               WHEN '{plain}' THEN '{plain}'
               ELSE autogpt_db.chat_metadata_v1(
                   session."metadata", '{plain}', session."id"
               )
           END"""


def _session(capabilities: Capabilities) -> LiteralString:
    status: LiteralString = "'idle'"
    if capabilities.chat_status:
        status = 'session."chatStatus"'
    organization: LiteralString = "NULL"
    team: LiteralString = "NULL"
    if capabilities.orgs:
        organization, team = 'session."organizationId"', 'session."teamId"'
    pinned: LiteralString = "false"
    if capabilities.pinned_chats:
        pinned = 'session."isPinned"'
    expert: LiteralString = ""
    if capabilities.experts:
        expert = """,
           'expert_id', session."expertId\""""
    runs = _read("session", "successfulAgentRuns", _OBJECT_OF_COUNTS, "'{}'")
    schedules = _read("session", "successfulAgentSchedules", _OBJECT_OF_COUNTS, "'{}'")
    return f"""
       json_build_object(
           'session_id', session."id",
           'user_id', session."userId",
           'title', session."title",
           'usage', CASE
               WHEN session."totalPromptTokens" = 0 AND session."totalCompletionTokens" = 0
               THEN json_build_array()
               ELSE json_build_array(
                   json_build_object(
                       'prompt_tokens', session."totalPromptTokens",
                       'completion_tokens', session."totalCompletionTokens",
                       'total_tokens',
                       session."totalPromptTokens"::bigint + session."totalCompletionTokens",
                       'cache_read_tokens', 0,
                       'cache_creation_tokens', 0
                   )
               )
           END,
           'credentials', {_read("session", "credentials", _OBJECT_OF_OBJECTS, "'{}'")},
           'started_at', autogpt_db.iso_v1(session."createdAt"),
           'updated_at', autogpt_db.iso_v1(session."updatedAt"),
           'successful_agent_runs', {runs},
           'successful_agent_schedules', {schedules},
           'metadata', {_metadata(capabilities)},
           'chat_status', {status},
           'organization_id', {organization},
           'team_id', {team},
           'is_pinned', {pinned}{expert}
       )"""


def _message(capabilities: Capabilities) -> LiteralString:
    duration: LiteralString = "NULL"
    if capabilities.chat_metadata:
        duration = 'message."durationMs"'
    metadata: LiteralString = "NULL"
    if capabilities.chat_status:
        metadata = _read("message", "metadata", _OBJECT, "NULL")
    model: LiteralString = ""
    if capabilities.stamps:
        model = """
           'model', message."model","""
    return f"""
       json_build_object(
           'id', message."id",
           'role', message."role",
           'content', message."content",
           'name', message."name",
           'tool_call_id', message."toolCallId",
           'refusal', message."refusal",
           'tool_calls', {_read("message", "toolCalls", _LIST_OF_OBJECTS, "NULL")},
           'function_call', {_read("message", "functionCall", _OBJECT, "NULL")},
           'sequence', message."sequence",
           'duration_ms', {duration},
           'created_at', autogpt_db.iso_v1(message."createdAt"),{model}
           'session_id', message."sessionId",
           'metadata', {metadata}
       )"""


SESSION = ForSchema(_session)
"""A row of "ChatSession" AS session, as the wire has it."""

MESSAGE = ForSchema(_message)
"""A row of "ChatMessage" AS message, as the wire has it."""

# Which word an answer's model was chosen by is nowhere shown, but checked where it is read.
SOURCE_KNOWN: ForSchema[LiteralString] = ForSchema(
    lambda capabilities: (
        """COALESCE(
           message."routingSource" = ANY (
               '{ld,catalog,env,fallback,preferred,account_default,account_available}'::text[]
           ),
           true
       )"""
        if capabilities.stamps
        else "true"
    )
)
"""Whether the row says a known word, or none, about where its model comes from."""
