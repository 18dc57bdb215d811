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
