"""Chat sessions, made: once for each id, however often that is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

from autogpt_db import models
from autogpt_db.database.capabilities import ForSchema
from autogpt_db.errors import ExpertNotFoundError, UniqueViolationError
from autogpt_db.models import chats
from autogpt_db.operations import Database, JsonText, Reply, operation
from autogpt_db.operations.chats.chat_documents import SESSION, plain_metadata
from autogpt_db.signatures.repeats import harmless
from autogpt_db.signatures.types import Document

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities

ChatSessionMetadata = Annotated[JsonText, Document(chats.ChatSessionMetadata)]
"""The whole model: every declared member, with its default where nothing was said."""

PLAIN: LiteralString = plain_metadata(stamps=True)
"""The metadata of a session of which nothing is said."""


class _Creating(NamedTuple):
    """How a session is made.

    Attributes:
        create: Makes it, unless its id is taken. Returns whether its expert is there, and it.
        same: Returns the one that has the id, if it is what a first call has made and nobody has
            written into.
    """

    create: LiteralString
    same: LiteralString


def _creating(capabilities: Capabilities) -> _Creating:
    columns: LiteralString = ""
    values: LiteralString = ""
    alike: LiteralString = ""
    if capabilities.chat_metadata:
        metadata: LiteralString = "%(metadata)s::jsonb"
        if not capabilities.stamps:
            metadata = "%(metadata)s::jsonb - '{llm_auth_provider,llm_credential_id}'::text[]"
        columns, values = ', "metadata"', f", {metadata}"
        alike = f"""
   AND session."metadata" = {metadata}"""
    if capabilities.orgs:
        columns = f'{columns}, "organizationId", "teamId"'
        values = f"{values}, NULLIF(%(organization_id)s, ''), NULLIF(%(team_id)s, '')"
    if capabilities.experts:
        columns = f'{columns}, "expertId"'
        values = f"{values}, NULLIF(%(expert_id)s, '')"
        alike = f"""{alike}
   AND session."expertId" IS NOT DISTINCT FROM NULLIF(%(expert_id)s, '')"""
    expert: LiteralString = "SELECT"
    if capabilities.pods:
        # It stays as it is until the session is there.
        expert = """SELECT
     WHERE COALESCE(%(expert_id)s, '') = ''
        OR EXISTS (
           SELECT
             FROM platform."Expert" AS expert
            WHERE expert."id" = %(expert_id)s
              AND expert."ownerUserId" = %(user_id)s
              AND NOT expert."isTemplate"
              AND NOT expert."isArchived"
              FOR SHARE
           )"""
    return _Creating(
        create=f"""
WITH allowed AS MATERIALIZED (
    {expert}
), made AS (
    INSERT INTO platform."ChatSession" AS session
           ("id", "createdAt", "updatedAt", "userId", "credentials", "successfulAgentRuns",
            "successfulAgentSchedules", "totalPromptTokens", "totalCompletionTokens"{columns})
    SELECT %(session_id)s, autogpt_db.now_v1(), autogpt_db.now_v1(), %(user_id)s, '{{}}', '{{}}',
           '{{}}', 0, 0{values}
      FROM allowed
        ON CONFLICT DO NOTHING
    RETURNING {SESSION(capabilities)} AS document
)
SELECT EXISTS (SELECT FROM allowed), (SELECT made.document FROM made)
""",
        same=f"""
SELECT {SESSION(capabilities)}
  FROM platform."ChatSession" AS session
 WHERE session."id" = %(session_id)s
   AND session."userId" = %(user_id)s{alike}
   AND NOT EXISTS (
       SELECT
         FROM platform."ChatMessage" AS message
        WHERE message."sessionId" = session."id"
   )
""",
    )


_CREATING = ForSchema(_creating)


@operation(
    reads=False,
    repeat=harmless("Returns the session, as long as it has no messages."),
    honoured={"organization_id": "orgs", "team_id": "orgs", "expert_id": "experts"},
)
async def create_chat_session(
    database: Database,
    session_id: str,
    user_id: str,
    organization_id: str | None = None,
    team_id: str | None = None,
    metadata: ChatSessionMetadata | None = None,
    expert_id: str | None = None,
) -> Reply[models.ChatSessionInfo]:
    """Make a session: idle, without a title, and with nothing used.

    Args:
        session_id: Its id.
        user_id: Whose it is.
        organization_id: Where it belongs; an empty text is none, as below.
        team_id: The team there.
        metadata: What kind it is, and where it comes from; nothing is lost of it but in databases
            of AutoGPT before v0.6.54, which have no place for it.
        expert_id: With whom of the user's experts.

    Returns:
        The session. One that is there under this id, of this user's and with the same metadata, is
        returned as long as nobody has written into it: the call has come again.

    Raises:
        UniqueViolationError: The id is another session's.
        ForeignKeyViolationError: There is no such user or team.
        ExpertNotFoundError: The user has no such expert, or it is archived. On databases of AutoGPT
            v0.6.70 to v0.7.1 any expert will do, and one that isn't there is a
            `ForeignKeyViolationError`.
    """
    statements = _CREATING(database.capabilities)
    parameters = {
        "session_id": session_id,
        "user_id": user_id,
        "organization_id": organization_id,
        "team_id": team_id,
        "metadata": PLAIN if metadata is None else metadata,
        "expert_id": expert_id,
    }
    row = await database.row(statements.create, parameters)
    assert row is not None, "of no table"
    allowed, document = row
    if not allowed:
        raise ExpertNotFoundError(expert_id or "")
    if document is None:
        document = await database.json(statements.same, parameters)
    if document is None:
        raise UniqueViolationError("`id`")
    created: bytes = document
    return created
