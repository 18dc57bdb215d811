"""Every state's database is what its catalogue says, and its views show what they should."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from releases.catalogues import STATES, catalogue
from releases.reading import comparable, differences, read

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("state", STATES)
def test_a_built_database_has_its_states_catalogue(
    release_database: Callable[..., str], state: str
) -> None:
    with psycopg.connect(release_database(state), autocommit=True) as connection:
        assert differences(comparable(catalogue(state)), read(connection)) == []
        recorded = connection.execute(
            "SELECT count(*), max(migration_name) FROM platform._prisma_migrations"
            " WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL"
        ).fetchone()
    assert recorded == (catalogue(state)["migrations"], catalogue(state)["last_migration"])


def test_the_comparer_sees_every_kind_of_difference(release_database: Callable[..., str]) -> None:
    with psycopg.connect(release_database("v0.6.68"), autocommit=True) as connection:
        connection.execute("""
            ALTER TABLE platform."User" ADD COLUMN "favouriteColour" text;
            ALTER TABLE platform."AgentGraph" ALTER COLUMN name SET DEFAULT 'x';
            ALTER TYPE platform."ReviewStatus" ADD VALUE 'PONDERING';
            ALTER TABLE platform."UserBalance" DROP CONSTRAINT "UserBalance_userId_fkey";
            DROP INDEX platform."AgentNode_agentBlockId_idx";
            DROP VIEW platform."StoreSubmission";
            DROP FUNCTION platform.generate_username;
            DROP TRIGGER update_unified_tsvector ON platform."UnifiedContentEmbedding";
        """)
        found = differences(comparable(catalogue("v0.6.68")), read(connection))
    places = [line.partition(":")[0] for line in found]
    assert places == [
        "enums.ReviewStatus",
        "functions.generate_username",
        "tables.AgentGraph.columns",
        "tables.AgentNode.indexes",
        "tables.User.columns",
        "tables.UserBalance.foreign_keys",
        "triggers.update_unified_tsvector",
        "views.StoreSubmission",
    ]


@pytest.mark.parametrize("state", ["v0.6.68", "v0.7.2"])
def test_the_recorded_rows_fit_and_the_store_shows_them(
    release_database: Callable[..., str], state: str
) -> None:
    with psycopg.connect(release_database(state, seeded=True), autocommit=True) as connection:
        connection.execute("SELECT set_config('search_path', 'platform', false)")
        connection.execute("SELECT refresh_store_materialized_views()")
        connection.execute("SELECT refresh_suggested_blocks_view()")
        listed = connection.execute(
            'SELECT slug, graph_id, graph_versions, runs FROM "StoreAgent" ORDER BY slug'
        ).fetchall()
        approved = connection.execute("""
            SELECT slug FROM "StoreListing" JOIN "StoreListingVersion" AS version
                ON version.id = "activeVersionId" AND "submissionStatus" = 'APPROVED'
            WHERE NOT "StoreListing"."isDeleted" AND "hasApprovedVersion" ORDER BY slug
        """).fetchall()
        creators = connection.execute('SELECT count(*) FROM "Creator"').fetchone()
        profiles = connection.execute('SELECT count(*) FROM "Profile"').fetchone()
        submissions = connection.execute('SELECT count(*) FROM "StoreSubmission"').fetchone()
    assert [row[:1] for row in listed] == approved != []
    assert creators == profiles != (0,)
    assert submissions != (0,)
