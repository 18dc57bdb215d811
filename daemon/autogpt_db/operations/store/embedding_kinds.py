"""What is searched by meaning: where it lies, what of it counts, and which text stands for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autogpt_db.database.capabilities import ForSchema

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities


class Kind(NamedTuple):
    """One kind of content.

    Attributes:
        name: AutoGPT's word for it, of the enum ContentType.
        source: What stands between SELECT's columns and the end: the rows that count.
        id: Their ids.
        user_id: Whose they are; NULL where they are everybody's.
        text: What their embedding is made of; "" for nothing.
        metadata: What is kept beside it, as jsonb.
        private: Whether the text is a user's own.
    """

    name: LiteralString
    source: LiteralString
    id: LiteralString
    user_id: LiteralString
    text: LiteralString
    metadata: LiteralString
    private: bool = True


STORE_AGENT = Kind(
    name="STORE_AGENT",
    source="""
      FROM platform."StoreListingVersion" AS version
      JOIN platform."StoreListing" AS listing ON listing."id" = version."storeListingId"
     WHERE version."submissionStatus" = 'APPROVED'
       AND NOT version."isDeleted"
       AND NOT listing."isDeleted"
    """,
    id='version."id"',
    user_id="NULL::text",
    text="""concat_ws(
               ' ', NULLIF(version."name", ''), NULLIF(version."subHeading", ''),
               NULLIF(version."description", ''),
               NULLIF(array_to_string(version."categories", ' '), '')
           )""",
    metadata="""jsonb_build_object(
               'name', version."name",
               'categories', version."categories",
               'slug', listing."slug",
               'creator', (
                   SELECT profile."username"
                     FROM platform."Profile" AS profile
                    WHERE profile."userId" = listing."owningUserId"
                    LIMIT 1
               )
           )""",
    private=False,
)
"""What the marketplace offers."""

LIBRARY_AGENT = Kind(
    name="LIBRARY_AGENT",
    source="""
      FROM platform."LibraryAgent" AS agent
      JOIN platform."AgentGraph" AS graph
           ON graph."id" = agent."agentGraphId" AND graph."version" = agent."agentGraphVersion"
     WHERE NOT agent."isDeleted"
       AND NOT agent."isHidden"
    """,
    id='agent."id"',
    user_id='agent."userId"',
    text="""concat_ws(
               ' ', NULLIF(graph."name", ''), NULLIF(graph."description", ''),
               NULLIF(graph."instructions", '')
           )""",
    metadata="""jsonb_build_object('name', graph."name")""",
)
"""Users' agents."""

# The last part of the path without its ending, where it says something else than the name.
_STEM: LiteralString = """regexp_replace(
               regexp_replace(file."path", '^.*/', ''), '(?<=.)[.][^.]*$', ''
           )"""

WORKSPACE_FILE = Kind(
    name="WORKSPACE_FILE",
    source="""
      FROM platform."UserWorkspaceFile" AS file
      JOIN platform."UserWorkspace" AS workspace ON workspace."id" = file."workspaceId"
     WHERE NOT file."isDeleted"
    """,
    id='file."id"',
    user_id='workspace."userId"',
    text=f"""concat_ws(
               ' ', NULLIF(file."name", ''),
               CASE WHEN lower({_STEM}) <> lower(file."name") THEN NULLIF({_STEM}, '') END
           )""",
    metadata="""jsonb_build_object(
               'name', file."name", 'path', file."path", 'mime_type', file."mimeType"
           )""",
)
"""Users' files, by their names."""

CHAT_SESSION = Kind(
    name="CHAT_SESSION",
    source="""
      FROM platform."ChatSession" AS session
     WHERE autogpt_db.stripped_v1(session."title") <> ''""",
    id='session."id"',
    user_id='session."userId"',
    text='autogpt_db.stripped_v1(session."title")',
    metadata="""jsonb_build_object('title', session."title")""",
)
"""Users' chats, by their titles."""

NOT_OURS = ("BLOCK", "DOCUMENTATION")
"""AutoGPT's own code and files: whatever has an embedding there may be current, so it is neither
counted nor deleted."""


def _kinds(capabilities: Capabilities) -> tuple[Kind, ...]:
    kinds = [STORE_AGENT]
    if capabilities.hidden:
        kinds.append(LIBRARY_AGENT)
    if capabilities.search_types:
        kinds += [WORKSPACE_FILE, CHAT_SESSION]
    return tuple(kinds)


KINDS = ForSchema(_kinds)
"""The kinds that AutoGPT searches in the age that a database is of."""


def _embedded(kind: Kind) -> LiteralString:
    """Return the condition that a row has an embedding."""
    return f"""EXISTS (
           SELECT
             FROM platform."UnifiedContentEmbedding" AS content
            WHERE content."contentType" = '{kind.name}'
              AND content."contentId" = {kind.id}
              AND content."userId" IS NOT DISTINCT FROM {kind.user_id}
       )"""


def _coverage(capabilities: Capabilities) -> LiteralString:
    union: LiteralString = "UNION ALL"
    return union.join(
        [
            f"""
SELECT '{kind.name}', count(*), count(*) FILTER (WHERE {_embedded(kind)}){kind.source}
"""
            for kind in _kinds(capabilities)
        ]
    )


def _missing(capabilities: Capabilities, *, private: bool) -> LiteralString:
    union: LiteralString = "UNION ALL"
    return union.join(
        [
            f"""
(
    SELECT '{kind.name}', {kind.id}, {kind.user_id},
           {kind.text},
           {kind.metadata}::text{kind.source}
       AND {kind.text} <> ''
       AND NOT {_embedded(kind)}
     LIMIT %(batch_size)s
)
"""
            for kind in _kinds(capabilities)
            if private or not kind.private
        ]
    )


def _delete_orphans(capabilities: Capabilities) -> LiteralString:
    union: LiteralString = "UNION ALL"
    orphans = union.join(
        [
            f"""
          (
              SELECT content.ctid
                FROM platform."UnifiedContentEmbedding" AS content
               WHERE content."contentType" = '{kind.name}'
                 AND NOT EXISTS (SELECT{kind.source} AND {kind.id} = content."contentId")
               LIMIT %(at_once)s
          )
"""
            for kind in _kinds(capabilities)
        ]
    )
    return f"""
WITH gone AS (
    DELETE FROM platform."UnifiedContentEmbedding" AS content
     WHERE content.ctid = ANY (ARRAY({orphans}
     ))
    RETURNING content."contentType"
)
SELECT gone."contentType"::text, count(*) FROM gone GROUP BY gone."contentType"
"""


COVERAGE = ForSchema(_coverage)
"""Counts of each kind what counts, and what of it has an embedding."""
MISSING = ForSchema(lambda capabilities: _missing(capabilities, private=True))
"""Reads of each kind some rows that are without: kind, id, owner, text and metadata."""
MISSING_IN_PUBLIC = ForSchema(lambda capabilities: _missing(capabilities, private=False))
"""The same without what is a user's own."""
DELETE_ORPHANS = ForSchema(_delete_orphans)
"""Deletes of each kind some embeddings of what no longer counts, and counts them."""

STORE: LiteralString = """
INSERT INTO platform."UnifiedContentEmbedding"
       ("id", "createdAt", "updatedAt", "contentType", "contentId", "userId", "embedding",
        "searchableText", "metadata")
SELECT gen_random_uuid()::text, autogpt_db.now_v1(), autogpt_db.now_v1(),
       item.kind::platform."ContentType", item.id, item.user_id, item.embedding::vector,
       item.text, item.metadata::jsonb
  FROM unnest(
           %(kinds)s::text[], %(ids)s::text[], %(users)s::text[], %(texts)s::text[],
           %(metadata)s::text[], %(embeddings)s::text[]
       ) AS item (kind, id, user_id, text, metadata, embedding)
    ON CONFLICT ("contentType", "contentId", "userId") DO UPDATE
   SET "embedding" = EXCLUDED."embedding",
       "searchableText" = EXCLUDED."searchableText",
       "metadata" = EXCLUDED."metadata",
       "updatedAt" = EXCLUDED."updatedAt"
"""
