"""The marketplace's pages: listings, and each in detail."""

from __future__ import annotations

from typing import Literal

import msgspec

from autogpt_db import models
from autogpt_db.errors import InvalidInputError, SchemaObjectMissingError
from autogpt_db.operations import Database, PageSize, Reply, operation
from autogpt_db.operations.filters import containing
from autogpt_db.operations.missing import not_found
from autogpt_db.operations.store.store_pages import DETAILS, FOUND_BY_TEXT, LISTINGS
from autogpt_db.operations.store.store_search import search

_Order = Literal["rating", "runs", "name", "updated_at"]


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
) -> Reply[models.StoreAgentsResponse]:
    """List or search the marketplace's available agents.

    A search ranks what it finds by meaning (with an embeddings provider), words, category, age and
    popularity. Where the database has no embeddings, and from AutoGPT v0.6.51 on also where nothing
    is found, it looks for the text in names, sub-headings and descriptions: for its words from
    v0.6.51 on, for the text as it stands before.

    Args:
        featured: Whether only featured agents count.
        creators: User names; only their agents count, if any is given.
        sorted_by: `rating` and `runs`, highest first, `name`, or, from AutoGPT v0.6.51 on,
            `updated_at`, newest first; a search has its own order.
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
    capabilities = database.capabilities
    if not search_query:
        return await database.json(
            LISTINGS[sorted_by](capabilities), {**filters, "page": page, "page_size": page_size}
        )
    try:
        found = await search(database, search_query, filters, page=page, page_size=page_size)
    except SchemaObjectMissingError:  # no pgvector, no embeddings
        found = None
    if found is not None and (found.agents or not capabilities.store2):
        return _page(found.agents, found.total, page, page_size)
    text = search_query if capabilities.store2 else containing(search_query)
    return await database.json(
        FOUND_BY_TEXT[sorted_by](capabilities),
        {**filters, "text": text, "page": max(page, 1), "page_size": page_size},
    )


@operation(reads=True, heavy=True)
async def get_store_agent_details(
    database: Database, username: str, agent_name: str, include_changelog: bool = False
) -> Reply[models.StoreAgentDetails]:
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
        DETAILS(database.capabilities),
        {"username": username, "agent_name": agent_name, "include_changelog": include_changelog},
    )
    if document is None:
        raise not_found(database.capabilities, f"Agent {username}/{agent_name} not found")
    return document


def _page(agents: list[bytes], total: int, page: int, page_size: int) -> bytes:
    return msgspec.json.encode(
        {
            "agents": [msgspec.Raw(agent) for agent in agents],
            "pagination": {
                "total_items": total,
                "total_pages": -(-total // page_size),
                "current_page": page,
                "page_size": page_size,
            },
        }
    )
