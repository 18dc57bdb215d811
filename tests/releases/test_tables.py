"""AutoGPT's tables where we make them: fresh, brought forward, never where AutoGPT made them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from autogpt_db.database.provisioning.migration import migrate, pending, pending_upgrade
from autogpt_db.database.provisioning.migration_files import migrations
from autogpt_db.errors import SchemaAwaitedError
from private_cluster import fill_as_0_1_0
from releases.building import PRISMA_MIGRATIONS, build, build_as_0_1_0
from releases.catalogues import catalogue
from releases.reading import comparable, differences, read

Connection = psycopg.Connection[Any]

WANTED = comparable(catalogue("v0.6.68"))
THEIRS = {one.name for one in migrations() if one.theirs}
UPGRADE = tuple(one.name for one in migrations() if one.upgrade)

FORBIDDEN = """
INSERT INTO platform."User" (id, email, "updatedAt")
VALUES ('u1', 'u1@example.com', now()), ('u2', 'u2@example.com', now());
INSERT INTO platform."Profile" (id, "userId", name, username, description, links, "updatedAt")
VALUES
    ('nobody', NULL, 'n', 'nobody', '', '{}', '2026-01-03'),
    ('older', 'u1', 'n', 'older', '', '{}', '2026-01-01'),
    ('newer', 'u1', 'n', 'newer', '', '{}', '2026-01-02');
INSERT INTO platform."AgentGraph" (id, version, "userId", "isActive")
VALUES ('g1', 1, 'u1', true), ('g2', 1, 'u2', true);
INSERT INTO platform."LibraryAgent"
    (id, "userId", "agentGraphId", "agentGraphVersion", "creatorId")
VALUES ('la1', 'u2', 'g1', 1, 'older'), ('la2', 'u1', 'g1', 1, 'newer');
INSERT INTO platform."StoreListing"
    (id, "agentGraphId", "agentGraphVersion", "owningUserId", slug, "hasApprovedVersion")
VALUES ('sl1', 'g1', 1, 'u1', 'kept', true), ('sl2', 'g2', 1, 'u2', 'without', true);
INSERT INTO platform."StoreListingVersion"
    (id, "agentGraphId", "agentGraphVersion", name, "subHeading", "imageUrls", description,
     categories, "storeListingId", "submissionStatus")
VALUES
    ('slv1', 'g1', 1, 'n', '', '{}', '', '{}', 'sl1', 'APPROVED'),
    ('slv2', 'g2', 1, 'n', '', '{}', '', '{}', 'sl2', 'APPROVED');
UPDATE platform."StoreListing" SET "activeVersionId" = 'slv' || right(id, 1);
INSERT INTO platform."StoreListingReview" (id, "storeListingVersionId", "reviewByUserId", score)
VALUES ('r1', 'slv1', 'u2', 5), ('r2', 'slv2', 'u1', 4);
INSERT INTO platform."UnifiedContentEmbedding"
    (id, "updatedAt", "contentType", "contentId", "userId", embedding, "searchableText")
SELECT
    one.id, now(), one.type::platform."ContentType", one.id, one.owner,
    array_fill(0.5, ARRAY[1536])::platform.vector, 'text'
FROM (VALUES
    ('public', 'STORE_AGENT', NULL),
    ('owned', 'LIBRARY_AGENT', 'u1'),
    ('lost', 'LIBRARY_AGENT', NULL)
) AS one (id, type, owner);
INSERT INTO platform."AgentGraphExecution"
    (id, "agentGraphId", "agentGraphVersion", "userId", "isShared")
VALUES ('e1', 'g1', 1, 'u1', true), ('e2', 'g1', 1, 'u1', false);
"""


@pytest.fixture
def connection(empty_database: str) -> Iterator[Connection]:
    """Yield a connection to an empty database."""
    with psycopg.connect(empty_database, autocommit=True) as connection:
        yield connection


def column(connection: Connection, sql: str) -> list[Any]:
    return [row[0] for row in connection.execute(sql.encode())]


def test_fresh_tables_are_those_of_v0_6_68(connection: Connection) -> None:
    outcome = migrate(connection, schema_name="platform", create=True)
    assert tuple(name for name in outcome.applied if name in UPGRADE) == UPGRADE
    assert differences(WANTED, read(connection)) == []
    assert migrate(connection, schema_name="platform", create=True, upgrade=True).applied == ()


def test_tables_with_rows_are_brought_to_the_same(connection: Connection) -> None:
    fill_as_0_1_0(connection)
    tables = column(connection, "SELECT tablename FROM pg_tables WHERE schemaname = 'platform'")
    counts = {
        name: column(connection, f'SELECT count(*) FROM platform."{name}"') for name in tables
    }
    migrate(connection, schema_name="platform")
    outcome = migrate(connection, schema_name="platform", upgrade=True)
    assert outcome.applied == UPGRADE
    assert outcome.kept_aside == {}
    assert differences(WANTED, read(connection)) == []
    for name in tables:
        assert column(connection, f'SELECT count(*) FROM platform."{name}"') == counts[name], name
    # As AutoGPT's own migrations have left users who were there before there were plans.
    tiers = column(connection, 'SELECT DISTINCT "subscriptionTier"::text FROM platform."User"')
    assert tiers == ["PRO"]
    assert column(connection, 'SELECT slug FROM platform."StoreAgent"') == ["cool-agent"]
    assert migrate(connection, schema_name="platform", upgrade=True).applied == ()
    assert pending_upgrade(connection, schema_name="platform") == []


def test_rows_that_later_constraints_forbid_are_kept_aside(connection: Connection) -> None:
    build_as_0_1_0(connection)
    connection.execute(FORBIDDEN.encode())
    outcome = migrate(connection, schema_name="platform", upgrade=True)
    assert outcome.kept_aside == {
        ("Profile", "a profile belongs to a user"): 1,
        ("Profile", "a user has one profile, the last updated"): 1,
        ("StoreListing", "a listing's owner has a profile"): 1,
        ("StoreListingReview", "its listing is kept aside"): 1,
        ("StoreListingVersion", "its listing is kept aside"): 1,
        ("UnifiedContentEmbedding", "what is a user's own names the user"): 1,
    }
    kept = column(connection, "SELECT content ->> 'id' FROM autogpt_db.row_kept_aside ORDER BY 1")
    assert kept == ["lost", "nobody", "older", "r2", "sl2", "slv2"]
    assert differences(WANTED, read(connection)) == []
    assert column(connection, 'SELECT id FROM platform."StoreListing"') == ["sl1"]
    assert column(connection, 'SELECT "activeVersionId" FROM platform."StoreListing"') == ["slv1"]
    assert column(connection, 'SELECT DISTINCT "creatorId" FROM platform."LibraryAgent"') == [
        "newer"
    ]
    shared = 'SELECT id FROM platform."AgentGraphExecution" WHERE "sharedVia" = \'USER\''
    assert column(connection, shared) == ["e1"]
    # A listing kept aside can be put back as it was.
    connection.execute("""
        INSERT INTO platform."Profile" (id, "userId", name, username, description, links)
        VALUES ('p2', 'u2', 'n', 'u2', '', '{}');
        INSERT INTO platform."StoreListing"
        SELECT restored.*
        FROM autogpt_db.row_kept_aside AS kept
        CROSS JOIN jsonb_populate_record(
            NULL::platform."StoreListing", kept.content - 'activeVersionId'
        ) AS restored
        WHERE kept."table" = 'StoreListing'
    """)
    assert column(connection, 'SELECT slug FROM platform."StoreListing" ORDER BY 1') == [
        "kept",
        "without",
    ]


def test_tables_that_autogpt_keeps_a_record_of_are_never_changed(connection: Connection) -> None:
    # Whatever our own record says: a dump of AutoGPT's database may have come over it.
    build_as_0_1_0(connection)
    connection.execute(PRISMA_MIGRATIONS)
    before = read(connection)
    given: list[dict[str, Any]] = [
        {}, {"create": True}, {"upgrade": True}, {"create": True, "upgrade": True},
    ]  # fmt: skip
    for options in given:
        outcome = migrate(connection, schema_name="platform", **options)
        assert not set(outcome.applied) & THEIRS
    assert pending_upgrade(connection, schema_name="platform") == []
    assert read(connection) == before


def test_tables_of_our_own_wait_until_they_are_told_to_change(connection: Connection) -> None:
    build_as_0_1_0(connection)
    before = read(connection)
    assert not set(pending(connection, schema_name="platform", create=True)) & THEIRS
    assert not set(migrate(connection, schema_name="platform", create=True).applied) & THEIRS
    assert pending_upgrade(connection, schema_name="platform") == list(UPGRADE)
    assert read(connection) == before


def test_an_empty_schema_is_awaited_unless_told_to_fill_it(connection: Connection) -> None:
    for attempt in (migrate, pending):
        with pytest.raises(SchemaAwaitedError, match="no tables of AutoGPT's") as refused:
            attempt(connection, schema_name="platform")
        assert "migrate --create" in str(refused.value)
    assert column(connection, "SELECT to_regnamespace('platform')") == [None]
    assert column(connection, "SELECT to_regnamespace('autogpt_db')") == [None]


def test_an_unfinished_migration_of_autogpts_is_awaited(connection: Connection) -> None:
    build(connection, "v0.6.50")
    connection.execute("""
        INSERT INTO platform._prisma_migrations
            (id, checksum, migration_name, started_at, rolled_back_at)
        VALUES
            ('1', '', '20270101000000_undone', now(), now()),
            ('2', '', '20270102000000_under_way', now(), NULL)
    """)
    given: list[dict[str, Any]] = [{}, {"create": True, "upgrade": True}]
    for options in given:
        for attempt in (migrate, pending):
            with pytest.raises(SchemaAwaitedError, match="20270102000000_under_way"):
                attempt(connection, schema_name="platform", **options)
    connection.execute("UPDATE platform._prisma_migrations SET finished_at = now() WHERE id = '2'")
    assert not set(migrate(connection, schema_name="platform").applied) & THEIRS


@pytest.mark.parametrize("place", ["platform", "public", "extensions", "somewhere"])
def test_the_extensions_may_live_in_any_schema(connection: Connection, place: str) -> None:
    for schema in {"platform", "extensions", place}:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}".encode())
    connection.execute(f"CREATE EXTENSION vector SCHEMA {place}".encode())
    connection.execute(f"CREATE EXTENSION pg_trgm SCHEMA {place}".encode())
    if place != "somewhere":  # 0.1.0 looked in the others only
        build_as_0_1_0(connection)
    migrate(connection, schema_name="platform", create=True, upgrade=True)
    found = read(connection)
    assert found["extensions"] == {"vector": place, "pg_trgm": place}
    assert found["tables"].keys() == WANTED["tables"].keys()
    for name, table in WANTED["tables"].items():
        names = [index[0] for index in table.get("indexes", ())]
        assert [index[0] for index in found["tables"][name].get("indexes", ())] == names
