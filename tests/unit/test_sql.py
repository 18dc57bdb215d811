"""What a statement needs, by its text."""

from __future__ import annotations

import pytest

from autogpt_db.statements.sql import read, read_parts
from autogpt_db.statements.whole import is_whole


def columns(text: str) -> set[tuple[str, str]]:
    """Return the columns that a statement needs, without what it does with them."""
    return {(table, name) for _, table, name in read(text).columns}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('SELECT "id" FROM platform."User"', {("User", "id")}),
        ('SELECT u."id" FROM platform."User" AS u', {("User", "id")}),
        ('SELECT * FROM platform."User"', set()),
        ('SELECT a."email" FROM (SELECT * FROM platform."User") AS a', {("User", "email")}),
        ('SELECT a."email" FROM (SELECT "id" AS "email" FROM platform."User") AS a',
         {("User", "id")}),
        ('WITH w AS (SELECT u.* FROM platform."User" AS u) SELECT "name" FROM w',
         {("User", "name")}),
        (('SELECT 1 FROM platform."User" AS u WHERE EXISTS (SELECT FROM platform."AgentGraph"'
         ' WHERE "userId" = u."id")'), {("User", "id"), ("AgentGraph", "userId")}),
        ('SELECT count(*) FROM platform."AgentGraph" JOIN platform."User" USING ("id")',
         {("User", "id"), ("AgentGraph", "id")}),
        ('SELECT "a" IS DISTINCT FROM "b" FROM platform."Unheard"',
         {("Unheard", "a"), ("Unheard", "b")}),
        ('SELECT agent.slug, creator_avatar, other FROM platform."StoreAgent" AS agent',
         {("StoreAgent", "slug"), ("StoreAgent", "creator_avatar")}),
        (('UPDATE platform."User" AS u SET "name" = x."email" FROM platform."User" AS x'
         ' WHERE u."id" = x."id" RETURNING u."timezone"'),
         {("User", "name"), ("User", "email"), ("User", "id"), ("User", "timezone")}),
        ("SELECT 'platform.\"User\"'::regclass, 'a \"b\" -- c'", set()),
        ('SELECT "id" -- and "email"\n FROM platform."User" /* "name" */', {("User", "id")}),
    ],
)  # fmt: skip
def test_columns_belong_to_their_tables(text: str, expected: set[tuple[str, str]]) -> None:
    assert is_whole(text)
    assert columns(text) == expected


def test_an_insert_names_what_it_fills_and_how_it_finds_a_conflict() -> None:
    needs = read("""
        INSERT INTO platform."UserBalance" AS stored ("userId", "balance")
        SELECT "id", 0 FROM platform."User"
            ON CONFLICT ("userId") DO UPDATE SET "balance" = stored."balance" + 1
         WHERE stored."updatedAt" < now()
        RETURNING "balance"
    """)
    assert needs.inserts == {("UserBalance", frozenset({"userId", "balance"}))}
    assert needs.unique == {("UserBalance", frozenset({"userId"}))}
    assert needs.uses == {
        ("a", "UserBalance"), ("w", "UserBalance"), ("r", "UserBalance"), ("r", "User"),
    }  # fmt: skip
    assert ("w", "UserBalance", "balance") in needs.columns
    assert ("r", "UserBalance", "updatedAt") in needs.columns


def test_locks_casts_functions_and_labels_are_needs() -> None:
    needs = read("""
        SELECT platform.refresh_store_materialized_views(), %(x)s::platform."APIKeyStatus"
          FROM platform."AgentGraphExecution" AS execution
          JOIN platform."User" AS person ON person."id" = execution."userId"
         WHERE execution."executionStatus" IN ('QUEUED', 'elsewhere')
           FOR NO KEY UPDATE OF execution
    """)
    assert needs.functions == {"refresh_store_materialized_views"}
    assert needs.types == {"APIKeyStatus"}
    assert needs.labels == {("AgentExecutionStatus", "QUEUED")}
    assert ("w", "AgentGraphExecution") in needs.uses
    assert ("w", "User") not in needs.uses


def test_parts_are_read_with_the_tables_that_they_are_put_to() -> None:
    parts = [
        'platform."AgentGraphExecution" AS execution',
        "execution.\"executionStatus\" = 'QUEUED' AND (",
        ' AND "isDeleted"',
        'SELECT execution."id"',
    ]
    assert [is_whole(part) for part in parts] == [False] * 4
    needs = read_parts(parts, ())
    assert {(table, name) for _, table, name in needs.columns} == {
        ("AgentGraphExecution", "executionStatus"),
        ("AgentGraphExecution", "isDeleted"),
        ("AgentGraphExecution", "id"),
    }
    assert needs.labels == {("AgentExecutionStatus", "QUEUED")}
