"""Traces of a running daemon: which of its processes send any, and what a job's run shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from admin_daemon import Admin
from span_collector import SpanCollector

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def collector() -> Iterator[SpanCollector]:
    with SpanCollector() as listening:
        yield listening


@pytest.fixture(scope="module")
def daemon(seeded_database_url_for_module: str, collector: SpanCollector) -> Iterator[Admin]:
    on = ("traces.enabled=true", f"traces.endpoint={collector.endpoint}", "traces.sample_ratio=1")
    with Admin(seeded_database_url_for_module, "worker.processes=1", *on) as started:
        started.wait_admin()
        yield started


def has_messages(pid: int) -> bool:
    """Tell whether a process has loaded what spans are written with."""
    return "/google/_upb/" in Path(f"/proc/{pid}/maps").read_text()


def test_only_who_sends_spans_has_loaded_anything(daemon: Admin) -> None:
    assert has_messages(daemon.pid_of("api:api_00"))
    assert has_messages(daemon.pid_of("worker:worker_00"))
    assert not has_messages(daemon.pid_of("admin"))
    assert not has_messages(daemon.pid)


def test_a_jobs_run_is_a_trace_of_its_own(daemon: Admin, collector: SpanCollector) -> None:
    daemon.command_output("jobs", "run", "clean_oauth_tokens")
    (run,) = collector.wait(lambda each: each.name == "job clean_oauth_tokens")[:1]
    assert run.parent == ""
    assert run.told["autogpt_db.outcome"] == "succeeded"
    assert run.told["autogpt_db.attempt"] == 1
    assert run.resource["service.instance.id"].endswith(":worker_00")
    parts = {each.id: each for each in collector.of(run.trace, 2)}
    statements = [each for each in parts.values() if each.message.kind == 3]
    assert "DELETE clean_oauth_tokens" in {each.name for each in statements}
    assert all(each.parent in parts for each in statements)
