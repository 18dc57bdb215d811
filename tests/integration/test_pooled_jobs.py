"""Every background job behind a real PgBouncer in transaction mode does what it does without."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from ages import OLD
from autogpt_db.settings import (
    CreditsSettings,
    EmbeddingsSettings,
    RetainSettings,
    Secret,
    Settings,
    WatchSettings,
)
from autogpt_db.worker.registry import discover
from embedding_provider import EmbeddingProvider
from payment_provider import PaymentProvider
from pgbouncer import PGBOUNCER, PgBouncer
from service import Service
from worker_scenarios import Queries, run, settings_for

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(
    PGBOUNCER is None, reason="pgbouncer (Debian: pgbouncer) is missing"
)

SEARCHED = 1 if OLD else 2
"""What of the contract's rows has embeddings: a listing, and later an agent of a library, too."""

# What there is for each job to do beside the contract's rows, and what it then counts.
WORK: dict[str, tuple[str, dict[str, Any]]] = {
    "age_notification_batches": (
        """
        INSERT INTO platform."UserNotificationBatch" ("id", "userId", "type", "createdAt")
        VALUES ('old', 'alice', 'AGENT_RUN', now() - interval '40 days')
        """,
        {"overdue": 0, "purged": 1, "oversized": 0},
    ),
    "audit_balances": (
        """
        INSERT INTO platform."UserBalance" ("userId", "balance", "updatedAt")
        VALUES ('bob', 7, now())
        ON CONFLICT ("userId") DO UPDATE SET "balance" = "UserBalance"."balance" + 7
        """,
        {"users": 2, "organizations": 0, "differing": 1, "difference_cents": 7},
    ),
    "clean_idempotency_keys": (
        """
        INSERT INTO autogpt_db.idempotency_key
            (method, key, fingerprint, status, reply, created_at)
        VALUES ('m', 'k', '', 200, '1', '2020-01-01')
        """,
        {"deleted": 1},
    ),
    "clean_link_tokens": (
        ""
        if OLD
        else """
        INSERT INTO platform."PlatformLinkToken"
            ("id", "token", "platform", "platformUserId", "expiresAt")
        VALUES ('old', 'old', 'DISCORD', 'somebody', now() - interval '2 days')
        """,
        {"deleted": 0 if OLD else 1},
    ),
    "clean_oauth_tokens": ("", {"access_tokens": 1}),
    "clean_push_subscriptions": (
        ""
        if OLD
        else """
        INSERT INTO platform."PushSubscription"
            ("id", "userId", "endpoint", "p256dh", "auth", "failCount", "updatedAt")
        VALUES ('dead', 'alice', 'https://push.example.com', '', '', 5, now())
        """,
        {"deleted": 0 if OLD else 1},
    ),
    "measure_blocks": (
        """
        UPDATE platform."AgentNodeExecution" SET "addedTime" = now() - interval '1 hour'
        """,
        {"failing_blocks": 0, "accuracy_drops": 0},
    ),
    "refresh_store_views": ("", {"refreshed": True}),
    "refresh_suggested_blocks": ("", {"refreshed": not OLD}),
    "retain": (
        """
        INSERT INTO platform."AgentNodeExecutionInputOutput"
            ("id", "name", "referencedByInputExecId")
        VALUES ('old', 'x', 'x1')
        """,
        {"executions": 5, "rows": 1, "finished": True},
    ),
    "settle_top_ups": (
        """
        INSERT INTO platform."CreditTransaction"
            ("transactionKey", "userId", "amount", "type", "runningBalance", "isActive")
        VALUES ('never charged', 'alice', 100, 'TOP_UP', 60, false);
        INSERT INTO autogpt_db.top_up_reservation
            (transaction_key, user_id, customer, reserved_at)
        VALUES ('never charged', 'alice', 'cus_alice', now() - interval '2 days')
        """,
        {"entered": 0, "unsettled": 0},
    ),
    "tend_embeddings": (
        """
        DELETE FROM platform."UnifiedContentEmbedding"
        """,
        {"made": SEARCHED, "orphans_deleted": 0, "missing": 0},
    ),
    "watch_executions": (
        """
        UPDATE platform."AgentGraphExecution"
           SET "executionStatus" = 'RUNNING', "createdAt" = now() - interval '2 days',
               "updatedAt" = now() - interval '2 days', "startedAt" = now() - interval '2 days'
         WHERE id = 'e1';
        """,
        {},
    ),
}


@pytest.fixture
def pooled_url(seeded_database_url: str) -> Iterator[str]:
    with PgBouncer(f"{seeded_database_url}&schema=platform", pool_size=4) as running:
        yield running.url


@pytest.fixture
def queries(seeded_database_url: str) -> Iterator[Queries]:
    found = Queries(seeded_database_url)
    yield found
    found.close()


@pytest.fixture
def provider() -> Iterator[EmbeddingProvider]:
    with EmbeddingProvider(["weather", "news"]) as running:
        yield running


def with_work(url: str, embeddings: EmbeddingProvider, payments: PaymentProvider) -> Settings:
    """Return settings with which each job has all that it may do switched on."""
    settings = settings_for(url)
    return msgspec.structs.replace(
        settings,
        worker=msgspec.structs.replace(settings.worker, notifications_purge_days=30),
        retain=RetainSettings(input_output_days=30, rest=0.0),
        watch=WatchSettings(look_back_days=3000),
        embeddings=EmbeddingsSettings(
            openai_api_key=Secret("sk-test"), openai_base_url=embeddings.url, timeout=5
        ),
        credits=CreditsSettings(
            enabled=True,
            stripe_api_key=Secret("sk_test_secret"),
            stripe_base_url=payments.url,
            stripe_timeout=5.0,
        ),
    )


def test_there_is_work_for_every_job() -> None:
    assert WORK.keys() == discover().keys()


@pytest.mark.parametrize("job", WORK)
def test_a_job_does_its_work_behind_a_pooler(
    pooled_url: str, queries: Queries, provider: EmbeddingProvider, job: str
) -> None:
    given, counted = WORK[job]
    if given:
        queries.rows(given)
    with PaymentProvider() as payments:
        result, events = run(queries, with_work(pooled_url, provider, payments), job)
    assert "rests" not in result, events
    assert {name: result[name] for name in counted} == counted, result


def test_what_is_refreshed_behind_a_pooler_is_what_readers_see(
    pooled_url: str, queries: Queries
) -> None:
    runs = "SELECT coalesce(sum(run_count), 0) FROM platform.mv_agent_run_counts"
    before = queries.value(runs)
    queries.rows('ALTER TABLE platform."AgentGraphExecution" DISABLE TRIGGER ALL')
    queries.rows(
        """INSERT INTO platform."AgentGraphExecution" ("id", "agentGraphId", "userId")
           VALUES ('one more', 'g3', 'alice')"""  # bob's: later an owner's own don't count
    )
    assert run(queries, settings_for(pooled_url), "refresh_store_views")[0] == {"refreshed": True}
    assert queries.value(runs) == before + 1


def test_a_search_goes_by_meaning_behind_a_pooler(
    pooled_url: str, queries: Queries, provider: EmbeddingProvider
) -> None:
    """pgvector's names stand without a schema: no session of the pooler's has them in its path."""
    options = EmbeddingsSettings(
        openai_api_key=Secret("sk-test"), openai_base_url=provider.url, timeout=5
    )
    queries.rows('DELETE FROM platform."UnifiedContentEmbedding"')
    with Service(queries.url, through=pooled_url, embeddings=options) as service:
        assert service.call("backfill_missing_embeddings")["success"] == SEARCHED
        found = service.call("get_store_agents", search_query="weather")
        assert [agent["slug"] for agent in found["agents"]] == ["cool-agent"]
