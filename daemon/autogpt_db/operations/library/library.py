"""Users' libraries: the agents they have made or taken from the marketplace."""

from __future__ import annotations

from autogpt_db import models
from autogpt_db.errors import (
    ForeignKeyViolationError,
    InvalidInputError,
    RecordNotFoundError,
    SchemaChangingError,
)
from autogpt_db.operations import (
    Database,
    LibraryAgentSort,
    PageSize,
    Reply,
    operation,
)
from autogpt_db.operations.filters import containing
from autogpt_db.operations.library.library_additions import ADD, OFFERED
from autogpt_db.operations.library.library_agent_documents import BLOCKS, whole_page
from autogpt_db.operations.library.library_lists import LIST, LIST_WITH_NODES
from autogpt_db.operations.library.schedules import with_schedules
from autogpt_db.operations.missing import not_found
from autogpt_db.operations.users.default_team import TENANCY, default_tenancy
from autogpt_db.signatures.bounds import fetch_document
from autogpt_db.signatures.detail import Problems
from autogpt_db.signatures.repeats import harmless

LONGEST_SEARCH_TERM = 100


@operation(reads=True, heavy=True)
async def list_library_agents(
    database: Database,
    user_id: str,
    search_term: str | None = None,
    sort_by: LibraryAgentSort = LibraryAgentSort.UPDATED_AT,
    page: int = 1,
    page_size: PageSize = 50,
    include_executions: bool = False,
    folder_id: str | None = None,
    include_root_only: bool = False,
    is_hidden: bool | None = None,
    organization_id: str | None = None,
    include_nodes: bool = False,
) -> Reply[models.LibraryAgentResponse]:
    """List a page of a user's library, without deleted and archived agents.

    Whether an agent is scheduled is the scheduler's to know: `is_scheduled` is false unless that is
    set (`library.scheduler_url`) and answers at once.

    Args:
        user_id: Whose library.
        search_term: Text in an agent's name or description, letter case aside.
        sort_by: `createdAt`, oldest first, `updatedAt`, newest first, or `lastRunAt`, the latest
            run first (since AutoGPT v0.6.70).
        page: The page's number, from 1.
        page_size: Agents on a page.
        include_executions: Whether to look at each agent's ten latest executions; without them an
            agent has none. Until AutoGPT v0.6.55 only these are counted, too.
        folder_id: Only agents in this folder; none where the database has no folders. A search goes
            through all folders.
        include_root_only: Only agents in no folder, unless one is named.
        is_hidden: Only hidden agents, or only those that aren't; null for both.
        organization_id: Only agents of this organization or of none.
        include_nodes: Whether to tell from the graphs' nodes what each takes and gives, and whether
            something outside triggers it.

    Raises:
        InvalidInputError: The page or its size is less than 1, or the search term is too long.
        ArgumentsInvalidError: The database doesn't know when agents were last run.
        ResultTooLargeError: The page is larger than the settings allow, with the nodes that are
            looked at.
    """
    if page < 1 or page_size < 1:
        raise InvalidInputError("Invalid pagination input")
    if search_term and len(search_term.strip()) > LONGEST_SEARCH_TERM:
        raise InvalidInputError("Search term is too long")
    capabilities = database.capabilities
    if sort_by is LibraryAgentSort.LAST_RUN_AT and not capabilities.last_run:
        if database.knowledge.migrating:  # it may know in a moment
            raise SchemaChangingError("list_library_agents")
        _refuse_sort(sort_by)
    parameters = {
        "user_id": user_id,
        "pattern": containing(search_term) if search_term else None,
        "sort_by": sort_by.value,
        "page": page,
        "page_size": page_size,
        "include_executions": include_executions,
        "folder_id": None if search_term else folder_id or None,
        "root_only": include_root_only and not folder_id and not search_term,
        "is_hidden": is_hidden,
        "organization_id": organization_id,
    }
    found = await fetch_document(
        database,
        (LIST_WITH_NODES if include_nodes else LIST)(capabilities),
        parameters | BLOCKS,
        narrow="ask for fewer agents on a page (page_size)",
    )
    assert found is not None, "a SELECT without FROM has one row"
    if include_nodes:
        # What users put into nodes may be large.
        found = await database.computed(len(found), whole_page, found)
    return await with_schedules(database, found, user_id)


@operation(reads=False, repeat=harmless("Returns the agent that is there."))
async def add_store_agent_to_library(
    database: Database, store_listing_version_id: str, user_id: str
) -> Reply[models.LibraryAgent]:
    """Put the graph of a marketplace listing into a user's library, or take it back out of the bin.

    What the user has set for an agent that is there stays. From AutoGPT v0.7.1's schema on a new
    one belongs to the user's own organization, which is made for those who have none.

    Args:
        store_listing_version_id: The listing's version. Since AutoGPT v0.7.2 it must be available.
        user_id: Whose library.

    Returns:
        The library's agent; until AutoGPT v0.6.50 one that was there already as it was before.

    Raises:
        NotFoundError: There is no such version, or the user may not read its graph.
        RecordNotFoundError: There is no such user.
    """
    capabilities = database.capabilities
    parameters = {
        "store_listing_version_id": store_listing_version_id,
        "user_id": user_id,
        "without_home": False,
    }
    offered, tenancy = OFFERED(capabilities), TENANCY(capabilities)
    try:
        document = await database.json(ADD(capabilities), parameters)
        if (
            document is None
            and offered is not None
            and tenancy is not None
            and await database.row(offered, parameters) is not None
        ):  # it is to be had, and the user has no organization for it yet
            await default_tenancy(database, tenancy, user_id)
            document = await database.json(ADD(capabilities), {**parameters, "without_home": True})
    except ForeignKeyViolationError as error:
        raise RecordNotFoundError(f"user {user_id}") from error
    if document is None:
        raise not_found(
            capabilities,
            f"Store listing version {store_listing_version_id} is unknown, or not to be had.",
        )
    return document


def _refuse_sort(sort_by: LibraryAgentSort) -> None:
    problems = Problems()
    problems.add(
        "enum",
        ("body", "sort_by"),
        "Input should be 'createdAt' or 'updatedAt' in this database: its library agents don't "
        "know their last run",
        sort_by.value,
        expected="'createdAt' or 'updatedAt'",
    )
    problems.raise_any()
