"""Traces of a running daemon, turned on as the page says: who loads what for them, what comes."""

from __future__ import annotations

import os
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from admin_daemon import Admin
from console_sessions import Shell
from daemon_process import PROGRAM
from span_collector import SpanCollector

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "send-traces.md").read_text("utf-8")
API, WORKER = "api:api_00", "worker:worker_00"


def blocks(language: str) -> list[str]:
    """Return the page's blocks in a language."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return [textwrap.dedent(block) for block in found]


def done(shell: Shell, command: str) -> str:
    status, printed = shell.run(command)
    print(f"$ {command}\n{printed}")
    assert status == 0, (command, printed)
    return printed


def loaded(daemon: Admin) -> dict[str, bool]:
    """Tell of each process whether it has what spans are written with."""
    pids = {"main": daemon.pid} | {name: daemon.pid_of(name) for name in (API, WORKER, "admin")}
    maps = {name: Path(f"/proc/{pid}/maps").read_text() for name, pid in pids.items()}
    return {name: "/google/_upb/" in text for name, text in maps.items()}


@pytest.fixture(scope="module")
def collector() -> Iterator[SpanCollector]:
    with SpanCollector() as listening:
        yield listening


@pytest.fixture(scope="module")
def daemon(seeded_database_url_for_module: str) -> Iterator[Admin]:
    with Admin(seeded_database_url_for_module, "worker.processes=1") as started:
        started.wait_admin()
        yield started


@pytest.fixture(scope="module")
def shell(daemon: Admin, collector: SpanCollector) -> Iterator[Shell]:
    """Turn traces on by the page's first commands."""
    assert loaded(daemon) == dict.fromkeys(("main", API, WORKER, "admin"), False)
    environment = daemon.environment | {
        "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}",
        "AUTOGPT_DB_STATE_DIRECTORY": str(daemon.state),
        "AUTOGPT_DB_RUNTIME_DIRECTORY": str(daemon.runtime),
        "AUTOGPT_DB_API_PORT": str(daemon.port),
    }
    (options,) = blocks("toml")
    assert "http://127.0.0.1:4318/v1/traces" in options
    options = options.replace("127.0.0.1:4318", f"127.0.0.1:{collector.port}")
    Path(daemon.environment["AUTOGPT_DB_CONFIG"]).write_text(options)
    with Shell(daemon.directory, environment) as made:
        check, reload = blocks("sh")[0].splitlines()
        said = f"traces: to 127.0.0.1:{collector.port}, 100 % of calls"
        assert said in done(made, check)
        done(made, reload)
        yield made


def test_only_who_sends_spans_has_loaded_anything(daemon: Admin, shell: Shell) -> None:
    assert loaded(daemon) == {"main": False, API: True, WORKER: True, "admin": False}
    assert shell.run("true")[0] == 0


def test_a_call_is_seen_as_the_page_says(
    daemon: Admin, shell: Shell, collector: SpanCollector
) -> None:
    _, calls, logs, metrics = (
        block.replace("127.0.0.1:8005", f"127.0.0.1:{daemon.port}") for block in blocks("sh")
    )
    alone, traced = calls.strip().split("\n", 1)
    done(shell, alone)
    done(shell, traced)
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    spans = collector.wait(lambda each: each.name == "POST /get_credits", 2)
    (called,) = (each for each in spans if each.trace == trace)
    assert called.parent == "00f067aa0ba902b7"
    assert [each.parent for each in spans if each.trace != trace] == [""]
    assert trace in logs
    record = done(shell, f"{logs.strip()} --file {daemon.log_path}")
    assert f"span_id={called.id}" in record
    assert re.search(r'outcome="sent"\} [1-9]', done(shell, metrics))


def test_a_jobs_run_is_a_trace_of_its_own(
    shell: Shell, daemon: Admin, collector: SpanCollector
) -> None:
    done(shell, "autogpt-db jobs run clean_oauth_tokens")
    run = collector.wait(lambda each: each.name == "job clean_oauth_tokens")[0]
    assert run.parent == ""
    assert run.told["autogpt_db.outcome"] == "succeeded"
    assert run.told["autogpt_db.attempt"] == 1
    assert run.resource["service.instance.id"].endswith(":worker_00")
    parts = {each.id: each for each in collector.of(run.trace, 2)}
    statements = [each for each in parts.values() if each.message.kind == 3]
    assert "DELETE clean_oauth_tokens" in {each.name for each in statements}
    assert all(each.parent in parts for each in statements)
    assert daemon.events("traces_not_exported") == []
