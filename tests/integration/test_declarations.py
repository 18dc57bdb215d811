"""What a method says of itself is true: the tables it touches, and what a blind repeat does."""

from __future__ import annotations

import json
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from tools.sample_calls import examples
from tools.sample_calls.roles import EXPERT

from ages import OLD
from autogpt_db.errors import ArgumentsNotHonouredError, CallError
from autogpt_db.operations import background
from autogpt_db.operations.experts.expert_spending import week_of
from autogpt_db.settings import (
    CreditsSettings,
    EmbeddingsSettings,
    IntegrationsSettings,
    RedisSettings,
    Secret,
)
from autogpt_db.signatures.tables import needs_of, tables_of
from embedding_provider import EmbeddingProvider
from redis_server import RedisServer
from releases.building import ENCRYPTION_KEY, LATEST
from service import FIRST, LATER, OPERATIONS, Service
from waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from releases.building import ReleaseDatabases

WRITES = sorted(name for name, operation in FIRST.items() if not operation.reads)
LATER_WRITES = [name for name in LATER if not OPERATIONS[name].reads]
# Named with what they share with backfill_missing_embeddings, which alone sends it; and looked into
# only where a session is made again, which has no effect.
NOT_SENT = {
    "cleanup_orphaned_embeddings": {"Profile"},
    "get_embedding_stats": {"Profile"},
    "create_chat_session": {"ChatMessage"},
}
NEED_VECTOR = {"backfill_missing_embeddings", "cleanup_orphaned_embeddings", "get_embedding_stats"}
# Moments of change may differ, and a cipher text is never the same twice.
VOLATILE = ["updatedAt", "lastSeenAt", "integrations", "encryptedPayload"]
VOLATILE_OF = {"BotInstall": ["credentials"]}

REVIEW = examples()["get_or_create_human_review"][0]

PREPARED = """
UPDATE "AgentGraphExecution" SET "executionStatus" = 'QUEUED' WHERE "id" = 'e3';
UPDATE "AgentNodeExecution" SET "executionStatus" = 'INCOMPLETE' WHERE "id" = 'x1';
INSERT INTO "UserBalance" ("userId", "balance", "updatedAt") VALUES ('alice', 20, '2020-01-01');
INSERT INTO "UserNotificationBatch" ("id", "userId", "type", "updatedAt")
VALUES ('batch', 'alice', 'AGENT_RUN', now());
INSERT INTO "NotificationEvent" ("id", "userNotificationBatchId", "type", "data", "updatedAt")
VALUES ('event', 'batch', 'AGENT_RUN', '{}', now());
INSERT INTO "UserOnboarding" ("id", "userId", "agentRuns", "updatedAt")
VALUES ('onboarding', 'alice', 9, now());
"""
OFFERED = """
INSERT INTO "StoreListingVersion"
SELECT (jsonb_populate_record(listed, '{"id": "slv2", "version": 2}')).*
  FROM "StoreListingVersion" AS listed
"""

LOCKS = """
SELECT relation.relname, array_agg(held.mode)
  FROM pg_locks AS held
  JOIN pg_class AS relation ON relation.oid = held.relation
 WHERE held.pid = pg_backend_pid()
   AND relation.relnamespace = 'platform'::regnamespace
   AND relation.relkind IN ('r', 'v', 'm')
 GROUP BY relation.relname
"""
BELOW_VIEWS = """
SELECT DISTINCT view.relname, below.relname
  FROM pg_rewrite AS rule
  JOIN pg_class AS view ON view.oid = rule.ev_class
  JOIN pg_depend AS needed ON needed.objid = rule.oid AND needed.classid = 'pg_rewrite'::regclass
  JOIN pg_class AS below ON below.oid = needed.refobjid AND below.oid <> view.oid
 WHERE view.relkind = 'v'
"""


@pytest.fixture(scope="module")
def provider() -> Iterator[EmbeddingProvider]:
    with EmbeddingProvider(["cool"]) as running:
        yield running


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    """Yield a Redis by which the sample calls' expert has spent its budget."""
    with RedisServer() as running:
        now = datetime.now(UTC)
        weeks = (week_of(moment) for moment in (now, now + timedelta(days=7)))
        running.values = {f"expert-spend:{EXPERT.example}:{week}": "500" for week in weeks}
        yield running


@contextmanager
def able(url: str, provider: EmbeddingProvider, **sections: Any) -> Iterator[Service]:
    with Service(
        url,
        **sections,
        credits=CreditsSettings(enabled=True, monthly_refill="on"),
        embeddings=EmbeddingsSettings(openai_api_key=Secret("x"), openai_base_url=provider.url),
        integrations=IntegrationsSettings(encryption_key=Secret(ENCRYPTION_KEY)),
    ) as running:
        yield running


@contextmanager
def prepared(url: str, provider: EmbeddingProvider) -> Iterator[Service]:
    with able(url, provider) as running:
        running.rows(PREPARED)
        running.rows(OFFERED)
        running.call("get_or_create_human_review", **{**REVIEW, "node_exec_id": "review"})
        yield running


@pytest.fixture
def service(seeded_database_url: str, provider: EmbeddingProvider) -> Iterator[Service]:
    with prepared(seeded_database_url, provider) as running:
        yield running


@pytest.fixture
def later(
    release_database: Callable[..., str], provider: EmbeddingProvider, redis: RedisServer
) -> Iterator[Service]:
    url = release_database(LATEST, seeded=True, ours=True)
    with able(url, provider, redis=RedisSettings(host="127.0.0.1", port=redis.port)) as running:
        yield running


@pytest.fixture(scope="module")
def unchanged(
    seeded_database_url_for_module: str, provider: EmbeddingProvider
) -> Iterator[Service]:
    """Yield one service for tests that take back what they write."""
    with prepared(seeded_database_url_for_module, provider) as running:
        before = everything(running)
        yield running
        assert everything(running) == before


@pytest.fixture(scope="module")
def unchanged_later(
    releases: ReleaseDatabases, provider: EmbeddingProvider, redis: RedisServer
) -> Iterator[Service]:
    url = releases.fresh(LATEST, seeded=True, ours=True)
    with able(url, provider, redis=RedisSettings(host="127.0.0.1", port=redis.port)) as running:
        before = everything(running)
        yield running
        assert everything(running) == before
    releases.drop(url)


def calls_of(service: Service, method: str) -> list[dict[str, Any]]:
    if method in NEED_VECTOR and not service.value("SELECT to_regtype('vector') IS NOT NULL"):
        pytest.skip("its statements need pgvector")
    calls = []
    for arguments in examples()[method]:
        with suppress(ArgumentsNotHonouredError):  # some only later databases have a place for
            OPERATIONS[method].admit(
                OPERATIONS[method].decode(json.dumps(arguments).encode()), service.capabilities
            )
            calls.append(arguments)
    return calls


# Repeats -------------------------------------------------------------------------------------


def everything(service: Service) -> dict[str, list[str]]:
    """Return all rows of AutoGPT's tables, without what may differ."""
    tables = service.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'platform'")
    found: dict[str, list[str]] = {name: [] for (name,) in tables}
    each = (
        f"""SELECT '{name}', (to_jsonb(row) - ARRAY{VOLATILE + VOLATILE_OF.get(name, [])})::text
              FROM "{name}" AS row"""
        for name in found
    )
    for name, row in service.rows(" UNION ALL ".join(each)):
        found[name].append(row)
    return {name: sorted(rows) for name, rows in found.items()}


@pytest.mark.parametrize("method", WRITES)
def test_what_a_repeat_does_is_true(service: Service, method: str) -> None:
    check_repeat(service, method)


@pytest.mark.parametrize("method", LATER_WRITES)
def test_what_a_repeat_does_later_is_true(later: Service, method: str) -> None:
    check_repeat(later, method)


def check_repeat(service: Service, method: str) -> None:
    """Assert that a second call does what the method says of itself."""
    repeat = OPERATIONS[method].repeat
    assert repeat is not None
    changed = 0
    for arguments in calls_of(service, method):
        before = everything(service)
        assert answered(service, method, arguments) < 500  # a refusal may have an effect, too
        after_one = everything(service)
        if method not in {"update_user_integrations", "update_review_processed_status"}:
            assert after_one != before, f"{method}: a sample call without an effect proves nothing"
        service.let_a_millisecond_pass()
        assert answered(service, method, arguments) < 500
        changed += everything(service) != after_one
    assert (changed == 0) == repeat.harmless, f"{method}: its repeat= says something else"


def answered(service: Service, method: str, arguments: dict[str, Any]) -> int:
    """Call a method, wait until what it has begun is done as well, and return the status."""
    status, _ = service.answer(method, arguments)
    service.run(background.drain(PATIENCE))
    return status


# Tables --------------------------------------------------------------------------------------


HELD = {"ChatSession", "Expert", "LibraryFolder"}
"""Tables whose rows are held while something is put below them: that takes the right to change
them, and changes nothing."""


def locked(service: Service, method: str, arguments: dict[str, Any]) -> dict[str, set[str]]:
    """Return the tables and views that a call has locked, and how: all that it touched.

    What it wrote is taken back.
    """
    operation = OPERATIONS[method]

    touched: list[tuple[str, list[str]]] = []

    async def call() -> None:
        async with service.pool.call(method, reads=False).transaction() as transaction:
            given = operation.decode(json.dumps(arguments).encode())
            await transaction.make_undoable()
            with suppress(CallError):
                await operation.call(transaction, given)
            touched.extend(await transaction.rows(LOCKS))
            raise psycopg.Rollback

    service.run(call())
    service.run(background.drain(PATIENCE))
    return {name: set(modes) for name, modes in touched}


def neighbours(service: Service, tables: set[str]) -> set[str]:
    """Return the tables at the other end of these tables' foreign keys."""
    keys = service.rows(
        "SELECT one.relname, other.relname FROM pg_constraint AS key"
        " JOIN pg_class AS one ON one.oid = key.conrelid"
        " JOIN pg_class AS other ON other.oid = key.confrelid WHERE key.contype = 'f'"
    )
    pairs = {pair for key in keys for pair in (key, key[::-1])}
    return {other for one, other in pairs if one in tables}


def cascades(service: Service, tables: set[str]) -> set[str]:
    """Return the tables whose rows go with those of these tables."""
    keys = service.rows(
        "SELECT one.relname, other.relname FROM pg_constraint AS key"
        " JOIN pg_class AS one ON one.oid = key.conrelid"
        " JOIN pg_class AS other ON other.oid = key.confrelid WHERE key.confdeltype = 'c'"
    )
    return {one for one, other in keys if other in tables}


@pytest.mark.parametrize("method", sorted(FIRST))
def test_the_tables_are_those_that_are_touched(unchanged: Service, method: str) -> None:
    check_tables(unchanged, method)


@pytest.mark.parametrize("method", LATER)
def test_the_tables_are_those_that_are_touched_later(unchanged_later: Service, method: str) -> None:
    check_tables(unchanged_later, method)


def check_tables(service: Service, method: str) -> None:
    """Assert that a method touches the tables that its statements name, and no others."""
    function = OPERATIONS[method].function
    tables = tables_of(function, None if method in FIRST else service.capabilities)
    named = {table.name: table.written for table in tables}
    uses = needs_of(function, service.capabilities).uses
    declared = {table for _, table in uses}
    written = {table for verb, table in uses if verb != "r"}
    held = {name for name in HELD & written if not named[name]}
    if OLD:
        assert named == {table: table in written - held for table in declared}
    seen: dict[str, set[str]] = {}
    for arguments in calls_of(service, method):
        for name, modes in locked(service, method, arguments).items():
            seen.setdefault(name, set()).update(modes)
    below = {name for view, name in service.rows(BELOW_VIEWS) if view in declared}
    below |= {name for view, name in service.rows(BELOW_VIEWS) if view in below}
    by_keys = {name for name in neighbours(service, written) if seen.get(name) == {"RowShareLock"}}
    by_cascade = cascades(service, {table for verb, table in uses if verb == "d"}) - written
    assert set(seen) - by_keys - by_cascade - below <= declared
    assert declared - NOT_SENT.get(method, set()) <= set(seen)
    exclusively = {name for name, modes in seen.items() if "RowExclusiveLock" in modes}
    assert exclusively - by_cascade == written - held
