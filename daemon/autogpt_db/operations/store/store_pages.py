"""The statements that read the marketplace's pages, fitted to the shape of its view."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from autogpt_db.database.capabilities import ForSchema
from autogpt_db.operations.store.store_search import FILTERS, agent_of

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities

_ORDERS: dict[str | None, LiteralString] = {
    "rating": "ORDER BY agent.rating DESC",
    "runs": "ORDER BY agent.runs DESC",
    "name": "ORDER BY agent.agent_name",
    "updated_at": "ORDER BY agent.updated_at DESC",
    None: "",
}

_BY_WORDS: LiteralString = """
       AND to_tsvector(
               'english', concat_ws(' ', agent.agent_name, agent.sub_heading, agent.description)
           ) @@ plainto_tsquery('english', %(text)s)"""
_BY_RANK: LiteralString = """ORDER BY ts_rank_cd(
               to_tsvector(
                   'english', concat_ws(' ', agent.agent_name, agent.sub_heading, agent.description)
               ),
               plainto_tsquery('english', %(text)s)
           ) DESC"""
_AS_IT_STANDS: LiteralString = """
       AND (
           agent.agent_name ILIKE %(text)s::text
           OR agent.sub_heading ILIKE %(text)s::text
           OR agent.description ILIKE %(text)s::text
       )"""


def _listing(
    capabilities: Capabilities, order: LiteralString, condition: LiteralString = ""
) -> LiteralString:
    return f"""
WITH found AS MATERIALIZED (
    SELECT agent.*, row_number() OVER ({order}) AS number
      FROM platform."StoreAgent" AS agent
     WHERE {FILTERS}{condition}
)
SELECT json_build_object(
           'agents', COALESCE((
               SELECT json_agg({agent_of(capabilities)} ORDER BY agent.number)
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


def _all(capabilities: Capabilities, sorted_by: str | None) -> LiteralString:
    # The older view's rows come as they are read when they are asked for by their age.
    old = sorted_by == "updated_at" and not capabilities.store2
    return _listing(capabilities, "" if old else _ORDERS[sorted_by])


def _found(capabilities: Capabilities, sorted_by: str | None) -> LiteralString:
    if capabilities.store2:
        return _listing(capabilities, _BY_RANK, _BY_WORDS)
    order = "" if sorted_by == "updated_at" else _ORDERS[sorted_by]
    return _listing(capabilities, order, _AS_IT_STANDS)


LISTINGS = {key: ForSchema(partial(_all, sorted_by=key)) for key in _ORDERS}
"""Read a page of what is offered, by order."""
FOUND_BY_TEXT = {key: ForSchema(partial(_found, sorted_by=key)) for key in _ORDERS}
"""Read a page of what a text finds: by rank, or where whole texts are looked for by order."""


def _changelog(listing_id: LiteralString) -> LiteralString:
    return f"""(
               SELECT COALESCE(json_agg(json_build_object(
                          'version', version."version"::text,
                          'changes_summary',
                              COALESCE(NULLIF(version."changesSummary", ''), 'No changes recorded'),
                          'date', autogpt_db.iso_v1(version."createdAt")
                      ) ORDER BY version."version" DESC), '[]')
                 FROM platform."StoreListingVersion" AS version
                WHERE version."storeListingId" = {listing_id}
                  AND version."submissionStatus" = 'APPROVED'
           )"""


# The listing's active version is shown if the view has it, else its highest approved version; the
# row found first, if the listing is another one's.
_OLD_DETAILS: LiteralString = f"""
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
           'graph_versions', agent."agentGraphVersions",
           'agentGraphVersions', agent."agentGraphVersions",
           'graph_id', agent."agentGraphId",
           'agentGraphId', agent."agentGraphId",
           'last_updated', autogpt_db.iso_v1(agent.updated_at),
           'recommended_schedule_cron', active."recommendedScheduleCron",
           'owning_org_id', NULL,
           'active_version_id', listing."activeVersionId",
           'has_approved_version', COALESCE(listing."hasApprovedVersion", false),
           'changelog', CASE WHEN %(include_changelog)s AND listing."id" IS NOT NULL THEN
               {_changelog('listing."id"')}
           END
       )
  FROM agent
  LEFT JOIN listing ON true
  LEFT JOIN platform."StoreListingVersion" AS active ON active."id" = listing."activeVersionId"
"""


# The view shows a listing's active version and no other.
def _view_details(capabilities: Capabilities) -> LiteralString:
    owner: LiteralString = "agent.owning_org_id" if capabilities.orgs else "NULL"
    return f"""
SELECT json_build_object(
           'store_listing_version_id', agent.listing_version_id,
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
           'graph_versions', agent.graph_versions,
           'agentGraphVersions', agent.graph_versions,
           'graph_id', agent.graph_id,
           'agentGraphId', agent.graph_id,
           'last_updated', autogpt_db.iso_v1(agent.updated_at),
           'recommended_schedule_cron', agent.recommended_schedule_cron,
           'owning_org_id', {owner},
           'active_version_id', agent.listing_version_id,
           'has_approved_version', true,
           'changelog', CASE WHEN %(include_changelog)s THEN
               {_changelog("agent.listing_id")}
           END
       )
  FROM platform."StoreAgent" AS agent
 WHERE agent.creator_username = %(username)s AND agent.slug = %(agent_name)s
 LIMIT 1
"""


def _details(capabilities: Capabilities) -> LiteralString:
    return _view_details(capabilities) if capabilities.store2 else _OLD_DETAILS


DETAILS = ForSchema(_details)
"""Reads what the marketplace shows of one agent."""
