"""Pages of lists: where one begins, and how many documents it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from autogpt_db.operations.filters import present
from autogpt_db.signatures.bounds import fetch_list, listed
from autogpt_db.signatures.types import AtMost

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import LiteralString

    from autogpt_db.database.pool import Database

PageLimit = Annotated[int, AtMost("page_size")]
"""How many documents a page has."""
USUAL = 50
"""How many it has where nobody says."""
_NONE: Mapping[str, Any] = {}


async def fetch_page(
    database: Database,
    documents: LiteralString,
    filters: Mapping[str, LiteralString],
    arguments: Mapping[str, Any],
    *,
    order: LiteralString,
    limit: int,
    values: Mapping[str, Any] = _NONE,
) -> bytes:
    """Return a page's documents, and one more where more follow.

    Args:
        database: A handle for this call.
        documents: A SELECT of one `json` column, `document`, up to its WHERE and a first condition.
        filters: A condition for each argument that may filter; where nobody asks for it, it isn't
            in the statement, which so has the plan that it needs.
        arguments: The call's, by name, those of the cursor as well.
        order: What follows ORDER BY; no two rows are equal in it.
        limit: Documents of a page.
        values: What `documents` needs to know, by name.

    Raises:
        ResultTooLargeError: They are larger than the settings allow.
    """
    conditions, parameters = present(filters, arguments)
    statement = f"""{documents}{conditions}
 ORDER BY {order}
 LIMIT %(limit)s::bigint + 1
"""
    return await fetch_list(
        database,
        listed(statement),
        {**values, **parameters, "limit": limit},
        narrow="give a lower limit",
    )
