"""The marketplace's pages: listings, and each in detail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from autogpt_db.errors import InvalidInputError, SchemaObjectMissingError
from autogpt_db.operations import Database, PageSize, operation
from autogpt_db.operations.missing import not_found
from autogpt_db.operations.store_search import AGENT, FILTERS, search

if TYPE_CHECKING:
    from typing import LiteralString

_Order = Literal["rating", "runs", "name", "updated_at"]

_ORDERS: dict[str | None, LiteralString] = {
    "rating": "ORDER BY agent.rating DESC",
    "runs": "ORDER BY agent.runs DESC",
    "name": "ORDER BY agent.agent_name",
    "updated_at": "",
    None: "",
}


def _listing(order: LiteralString) -> LiteralString:
    return f"""
WITH found AS MATERIALIZED (
    SELECT agent.*, row_number() OVER ({order}) AS number
      FROM platform."StoreAgent" AS agent
     WHERE {FILTERS}
       AND (
           %(text)s::text IS NULL
           OR agent.agent_name ILIKE '%%' || %(text)s::text || '%%'
           OR agent.sub_heading ILIKE '%%' || %(text)s::text || '%%'
           OR agent.description ILIKE '%%' || %(text)s::text || '%%'
       )
)
SELECT json_build_object(
           'agents', COALESCE((
               SELECT json_agg({AGENT} ORDER BY agent.number)
                 FROM (
                      SELECT *
                        FROM found
                       ORDER BY number
                       LIMIT %(page_size)s OFFSET (%(page)s::bigint - 1) * %(page_size)s
                 ) AS agent
           ), '[]'),
           'pagination', json_build_object(
               'total_items', (SELECT count(*) FROM found),
               'total_pages',
                   ((SELECT count(*) FROM found) + %(page_size)s - 1) / %(page_size)s,
               'current_page', %(page)s::integer,
               'page_size', %(page_size)s::integer
           )
       )
"""


LISTINGS = {key: _listing(order) for key, order in _ORDERS.items()}

# The listing's active version is shown if the view has it, else its highest approved version; the
# row found first, if the listing is another one's.
DETAILS: LiteralString = """
WITH first AS MATERIALIZED (
    SELECT *
      FROM platform."StoreAgent"
     WHERE creator_username = %(username)s AND slug = %(agent_name)s
     LIMIT 1
), listing AS MATERIALIZED (
    SELECT listing."id", listing."activeVersionId", listing."hasApprovedVersion",
           (
               SELECT version."id"
                 FROM platform."StoreListingVersion" AS version
                WHERE version."storeListingId" = listing."id"
                  AND version."submissionStatus" = 'APPROVED'
                ORDER BY version."version" DESC
                LIMIT 1
           ) AS newest_version_id
      FROM platform."Profile" AS profile
      JOIN platform."StoreListing" AS listing ON listing."owningUserId" = profile."userId"
     WHERE profile."username" = %(username)s AND listing."slug" = %(agent_name)s
     LIMIT 1
), agent AS (
    SELECT candidate.*
      FROM (
           SELECT 1 AS preference, shown.*
             FROM platform."StoreAgent" AS shown
             JOIN listing ON shown."storeListingVersionId" = listing."activeVersionId"
           UNION ALL
           SELECT 2 AS preference, shown.*
             FROM platform."StoreAgent" AS shown
             JOIN listing ON shown."storeListingVersionId" = listing.newest_version_id
           UNION ALL
           SELECT 3 AS preference, first.* FROM first
      ) AS candidate
     WHERE EXISTS (SELECT FROM first)
     ORDER BY candidate.preference
     LIMIT 1
)
SELECT json_build_object(
           'store_listing_version_id', agent."storeListingVersionId",
           'slug', agent.slug,
           'agent_name', agent.agent_name,
           'agent_video', COALESCE(agent.agent_video, ''),
           'agent_output_demo', COALESCE(agent.agent_output_demo, ''),
           'agent_image', agent.agent_image,
           'creator', COALESCE(agent.creator_username, ''),
           'creator_avatar', COALESCE(agent.creator_avatar, ''),
           'sub_heading', agent.sub_heading,
           'description', agent.description,
           'instructions', NULL,
           'categories', agent.categories,
           'runs', agent.runs,
           'rating', agent.rating,
           'versions', agent.versions,
           'agentGraphVersions', agent."agentGraphVersions",
           'agentGraphId', agent."agentGraphId",
           'last_updated', autogpt_db.iso_v1(agent.updated_at),
           'recommended_schedule_cron', active."recommendedScheduleCron",
           'active_version_id', listing."activeVersionId",
           'has_approved_version', COALESCE(listing."hasApprovedVersion", false),
           'changelog', CASE WHEN %(include_changelog)s AND listing."id" IS NOT NULL THEN (
               SELECT COALESCE(json_agg(json_build_object(
                          'version', version."version"::text,
                          'changes_summary',
                              COALESCE(NULLIF(version."changesSummary", ''), 'No changes recorded'),
                          'date', autogpt_db.iso_v1(version."createdAt")
                      ) ORDER BY version."version" DESC), '[]')
                 FROM platform."StoreListingVersion" AS version
                WHERE version."storeListingId" = listing."id"
                  AND version."submissionStatus" = 'APPROVED'
           ) END
       )
  FROM agent
  LEFT JOIN listing ON true
  LEFT JOIN platform."StoreListingVersion" AS active ON active."id" = listing."activeVersionId"
"""


@operation(reads=True, heavy=True, spares=("UnifiedContentEmbedding",))
async def get_store_agents(
    database: Database,
    featured: bool = False,
    creators: list[str] | None = None,
    sorted_by: _Order | None = None,
    search_query: str | None = None,
    category: str | None = None,
    page: int = 1,
    page_size: PageSize = 20,
) -> bytes | dict[str, Any] | None:
    """List or search the marketplace's available agents.

    A search ranks what it finds by meaning (with an embeddings provider), words, category, age and
    popularity. Where the database has no embeddings, it looks for the text in names, sub-headings
    and descriptions.

    Args:
        featured: Whether only featured agents count.
        creators: User names; only their agents count, if any is given.
        sorted_by: `rating` and `runs`, highest first, or `name`; a search has its own order.
        search_query: What to search for.
        category: A category that the agents must have.
        page: The page's number, from 1.
        page_size: Agents on a page.

    Raises:
        InvalidInputError: The page or its size is less than 1.
        SchemaObjectMissingError: The database has no marketplace.
    """
    if page_size < 1 or (page < 1 and not search_query):
        raise InvalidInputError("page and page_size must be at least 1.")
    filters = {"featured": featured, "creators": creators or None, "category": category or None}
    if search_query and not search_query.strip():
        return _page([], 0, page, page_size)
    if search_query:
        try:
            found = await search(database, search_query, filters, page=page, page_size=page_size)
        except SchemaObjectMissingError:  # no pgvector, no embeddings
            page = max(page, 1)
        else:
            return _page(found.agents, found.total, page, page_size)
    return await database.json(
        LISTINGS[sorted_by],
        {**filters, "text": search_query or None, "page": page, "page_size": page_size},
    )


@operation(reads=True, heavy=True)
async def get_store_agent_details(
    database: Database, username: str, agent_name: str, include_changelog: bool = False
) -> bytes:
    """Return everything that the marketplace shows of one agent.

    Args:
        username: Its creator's user name.
        agent_name: Its slug.
        include_changelog: Whether to return what its versions changed, newest first.

    Raises:
        NotFoundError: There is no such agent.
        SchemaObjectMissingError: The database has no marketplace.
    """
    document = await database.json(
        DETAILS,
        {"username": username, "agent_name": agent_name, "include_changelog": include_changelog},
    )
    if document is None:
        raise not_found(database.capabilities, f"Agent {username}/{agent_name} not found")
    return document


def _page(agents: list[bytes], total: int, page: int, page_size: int) -> dict[str, Any]:
    return {
        "agents": [msgspec.Raw(agent) for agent in agents],
        "pagination": {
            "total_items": total,
            "total_pages": -(-total // page_size),
            "current_page": page,
            "page_size": page_size,
        },
    }
