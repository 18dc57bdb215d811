"""The jobs that tend the marketplace, on the databases of later releases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from autogpt_db.settings import EmbeddingsSettings, Secret
from embedding_provider import EmbeddingProvider
from releases.rows import graph, insert, user
from service import Service
from worker_scenarios import Queries, figures, run, settings_for

if TYPE_CHECKING:
    from collections.abc import Callable

STATES = ("v0.6.51", "v0.6.68", "v0.7.2")


@pytest.mark.parametrize("state", STATES)
def test_the_views_are_refreshed(release_database: Callable[..., str], state: str) -> None:
    url = release_database(state, ours=True)
    with Service(url) as service:
        user(service, "alice", "bob")
        graph(service, "g")
        insert(service, "AgentGraphExecution", id="e", agentGraphId="g", userId="bob")
    queries = Queries(url)
    try:
        runs = "SELECT run_count FROM platform.mv_agent_run_counts"
        assert queries.rows(runs) == []
        assert run(queries, settings_for(url), "refresh_store_views")[0] == {"refreshed": True}
        assert queries.value(runs) == 1
    finally:
        queries.close()


@pytest.mark.parametrize("state", ["v0.6.50", "v0.6.68", "v0.7.2"])
def test_suggested_blocks_are_counted_anew(
    release_database: Callable[..., str], state: str
) -> None:
    url = release_database(state, ours=True)
    queries = Queries(url)
    try:
        queries.rows("""ALTER TABLE platform."AgentNodeExecution" DISABLE TRIGGER ALL""")
        queries.rows("""ALTER TABLE platform."AgentNode" DISABLE TRIGGER ALL""")
        queries.rows(
            """INSERT INTO platform."AgentNode"
                      ("id", "agentBlockId", "agentGraphId", "agentGraphVersion")
               VALUES ('n', 'block', 'g', 1)"""
        )
        queries.rows(
            """INSERT INTO platform."AgentNodeExecution"
                      ("id", "agentGraphExecutionId", "agentNodeId", "executionStatus", "endedTime")
               SELECT 'x' || n, 'e', 'n', 'COMPLETED', now() FROM generate_series(1, 3) AS n"""
        )
        counts = "SELECT block_id, execution_count FROM platform.mv_suggested_blocks"
        assert queries.rows(counts) == []
        job = "refresh_suggested_blocks"
        assert run(queries, settings_for(url), job)[0] == {"refreshed": True}
        assert queries.rows(counts) == [("block", 3)]
    finally:
        queries.close()


def test_before_there_was_such_a_view_nothing_is_amiss(
    release_database: Callable[..., str],
) -> None:
    url = release_database("v0.6.48", ours=True)
    queries = Queries(url)
    try:
        result, _ = run(queries, settings_for(url), "refresh_suggested_blocks")
        assert result == {"refreshed": False}
    finally:
        queries.close()


@pytest.mark.parametrize("state", ["v0.6.68", "v0.7.2"])
def test_everything_that_is_searched_gets_its_embedding(
    release_database: Callable[..., str], state: str
) -> None:
    url = release_database(state, ours=True, seeded=True)
    with EmbeddingProvider(["a"]) as provider:
        options = EmbeddingsSettings(
            openai_api_key=Secret("sk-test"), openai_base_url=provider.url, timeout=5
        )
        settings = msgspec.structs.replace(settings_for(url), embeddings=options)
        queries = Queries(url)
        try:
            found, _ = run(queries, settings, "tend_embeddings")
            there = queries.rows(
                """SELECT DISTINCT "contentType"::text FROM platform."UnifiedContentEmbedding"
                    WHERE "contentType" NOT IN ('BLOCK', 'DOCUMENTATION', 'INTEGRATION')"""
            )
            assert len(there) == 4
            assert found["made"] > 0
            assert found["missing"] == 0
            assert figures(queries, "embeddings_there") == figures(queries, "embeddings_wanted")
        finally:
            queries.close()
