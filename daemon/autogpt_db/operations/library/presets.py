"""Presets of a user's agents, read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autogpt_db import models
from autogpt_db.database.capabilities import ForSchema
from autogpt_db.errors import InvalidInputError
from autogpt_db.logs.events import methods as log
from autogpt_db.operations import Database, PageSize, Reply, operation
from autogpt_db.operations.library.preset_documents import WEBHOOK, preset_document, unreadable

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities


def _get(capabilities: Capabilities) -> LiteralString:
    return f"""
WITH found AS (
    SELECT *
      FROM platform."AgentPreset"
     WHERE "id" = %(preset_id)s AND "userId" = %(user_id)s AND NOT "isDeleted"
)
SELECT {preset_document(capabilities)},
       ({unreadable("found")}
       )
  FROM found AS preset{WEBHOOK}
"""


def _list(capabilities: Capabilities) -> LiteralString:
    # Where presets belong to no expert, they are those of none.
    by_expert: LiteralString = """
       AND (NOT %(filter_by_expert)s OR %(expert_id)s::text IS NULL)"""
    if capabilities.expert_runs:
        by_expert = """
       AND (NOT %(filter_by_expert)s OR preset."expertId" IS NOT DISTINCT FROM %(expert_id)s)"""
    return f"""
WITH found AS MATERIALIZED (
    SELECT preset."id", preset."createdAt"
      FROM platform."AgentPreset" AS preset
     WHERE preset."userId" = %(user_id)s
       AND NOT preset."isDeleted"
       AND (%(graph_id)s::text IS NULL OR preset."agentGraphId" = %(graph_id)s){by_expert}
), shown AS MATERIALIZED (
    SELECT preset.*
      FROM (
            SELECT found."id"
              FROM found
             ORDER BY found."createdAt", found."id"
             LIMIT %(page_size)s OFFSET (%(page)s::bigint - 1) * %(page_size)s
           ) AS page
      JOIN platform."AgentPreset" AS preset ON preset."id" = page."id"
)
SELECT json_build_object(
           'presets', COALESCE((
               SELECT json_agg(
                          {preset_document(capabilities)}
                          ORDER BY preset."createdAt", preset."id"
                      )
                 FROM shown AS preset{WEBHOOK}
           ), '[]'),
           'pagination', json_build_object(
               'total_items', (SELECT count(*) FROM found),
               'total_pages',
                   ((SELECT count(*) FROM found) + %(page_size)s - 1) / %(page_size)s,
               'current_page', %(page)s::integer,
               'page_size', %(page_size)s::integer
           )
       ),
       ({unreadable("shown")}
       )
"""


MOST_NAMED = 20
"""Inputs that one event names."""

GET = ForSchema(_get)
LIST = ForSchema(_list)


@operation(reads=True)
async def get_preset(
    database: Database, user_id: str, preset_id: str
) -> Reply[models.LibraryAgentPreset | None]:
    """Return one of a user's presets; null where there is none, or where it has been deleted.

    A reference to credentials that makes no sense is left out, and logged.

    Args:
        user_id: Whose preset.
        preset_id: The preset.
    """
    return await _read(database, GET, {"user_id": user_id, "preset_id": preset_id})


@operation(reads=True)
async def list_presets(
    database: Database,
    user_id: str,
    page: int,
    page_size: PageSize,
    graph_id: str | None = None,
    expert_id: str | None = None,
    filter_by_expert: bool = False,
) -> Reply[models.LibraryAgentPresetResponse]:
    """List a page of a user's presets, the oldest first, active or not.

    A reference to credentials that makes no sense is left out, and logged.

    Args:
        user_id: Whose presets.
        page: The page's number, from 1.
        page_size: Presets on a page.
        graph_id: Only those of this graph, in any version.
        expert_id: Only those of this expert, or null for those of none, if `filter_by_expert`.
        filter_by_expert: Whether `expert_id` counts.

    Raises:
        InvalidInputError: The page or its size is less than 1.
    """
    if page < 1 or page_size < 1:
        raise InvalidInputError("Invalid pagination parameters")
    found = await _read(
        database,
        LIST,
        {
            "user_id": user_id,
            "page": page,
            "page_size": page_size,
            "graph_id": graph_id or None,
            "expert_id": expert_id,
            "filter_by_expert": filter_by_expert,
        },
    )
    assert found is not None, "an aggregate has one row"
    return found


async def _read(
    database: Database, statement: ForSchema[LiteralString], parameters: dict[str, Any]
) -> bytes | None:
    row = await database.row(
        statement(database.capabilities),
        {**parameters, "platform_base_url": database.settings.integrations.platform_base_url},
    )
    if row is None:
        return None
    found: bytes = row[0]
    if row[1]:
        log.preset_credentials_unreadable(user_id=parameters["user_id"], inputs=row[1][:MOST_NAMED])
    return found
