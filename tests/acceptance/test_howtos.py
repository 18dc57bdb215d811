"""Pages of docs/howto that need no systemd, command by command, as they stand there."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import os
import re
import textwrap
import tomllib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from autogpt_db.client import AsyncClient, Client, Retries
from console_sessions import Shell, steps
from daemon_process import PROGRAM, DaemonProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

AGENT = Path(__file__).parents[2] / "etc" / "examples" / "greeter.json"
PAGES = Path(__file__).parents[2] / "docs" / "howto"


@pytest.fixture(scope="module")
def daemon(later_database_url_for_module: str) -> Iterator[DaemonProcess]:
    with DaemonProcess(
        database_url=later_database_url_for_module,
        assignments=["api.processes=1", "worker.watch_schedule=never"],
    ) as running:
        yield running


@contextmanager
def opened(daemon: DaemonProcess) -> Iterator[Shell]:
    """Yield a shell whose `autogpt-db` means the daemon."""
    environment = daemon.environment | {
        "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}",
        "AUTOGPT_DB_STATE_DIRECTORY": str(daemon.state),
        "AUTOGPT_DB_RUNTIME_DIRECTORY": str(daemon.runtime),
        "AUTOGPT_DB_API_PORT": str(daemon.port),
    }
    with Shell(daemon.directory, environment) as shell:
        yield shell


@pytest.fixture
def shell(daemon: DaemonProcess) -> Iterator[Shell]:
    with opened(daemon) as made:
        yield made


def blocks(name: str, language: str) -> list[str]:
    """Return a page's blocks in a language."""
    text = (PAGES / name).read_text("utf-8")
    return [
        textwrap.dedent(block)
        for block in re.findall(rf"^ *```{language}\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)
    ]


def done(shell: Shell, command: str) -> str:
    status, printed = shell.run(command)
    print(f"$ {command}\n{printed}")
    assert status == 0, (command, printed)
    return printed


def test_look_in_a_terminal(shell: Shell) -> None:
    # The first one has no end: test_command_examples.
    _, plain, slow = blocks("look-in-a-terminal.md", "sh")
    assert "api_00" in done(shell, plain)
    assert "Traceback" not in done(shell, slow)


def test_find_stuck_executions(daemon: DaemonProcess, shell: Shell) -> None:
    look, dry_run = blocks("find-stuck-executions.md", "sh")
    assert "made within 14 days" in done(shell, look.splitlines()[0])
    assert "made within 90 days" in done(shell, look.splitlines()[1])
    assert "Looked at what was made" in done(shell, dry_run)
    (settings,) = blocks("find-stuck-executions.md", "toml")
    wanted: dict[str, str] = tomllib.loads(settings)["watch"]
    file = Path(daemon.environment["AUTOGPT_DB_CONFIG"])
    file.write_text(settings)
    try:
        done(shell, "autogpt-db ctl reload --wait")
        shown = done(shell, "autogpt-db config")
        for kind, action in wanted.items():
            assert f'watch.{kind} = "{action}"' in shown
    finally:
        file.write_text("")
        done(shell, "autogpt-db ctl reload --wait")


def test_look_users_up(daemon: DaemonProcess, shell: Shell) -> None:
    show, many = blocks("look-users-up.md", "sh")
    daemon.run("import", str(AGENT), "--user", "ada@example.com")
    assert re.search(r"^balance +0 credits$", done(shell, show), re.MULTILINE)
    searched, active, richest = many.splitlines()
    assert "ada@example.com" in done(shell, searched)
    assert "alice" not in done(shell, searched)
    done(shell, active)
    assert "ada@example.com" in done(shell, richest)


def test_read_a_chat(daemon: DaemonProcess, shell: Shell) -> None:
    many, one = blocks("read-a-chat.md", "sh")
    whole, searched = many.splitlines()
    chat = one.split()[-1]
    daemon.run("import", str(AGENT), "--user", "ada@example.com")
    ada = json.loads(daemon.run("user", "show", "ada@example.com", "--json").stdout)["id"]
    daemon.run("call", "create_chat_session", f"session_id={chat}", f"user_id={ada}")
    said = ("role=user", "content=Where is my invoice?", "sequence=0")
    daemon.run("call", "add_chat_message", f"session_id={chat}", *said)
    assert chat in done(shell, whole)
    assert "No chat is like that" in done(shell, searched)
    assert "  Where is my invoice?" in done(shell, one)


def test_monitor_with_prometheus(daemon: DaemonProcess, shell: Shell) -> None:
    (step,) = steps((PAGES / "monitor-with-prometheus.md").read_text("utf-8"))
    printed = done(shell, step.command.replace("127.0.0.1:8005", f"127.0.0.1:{daemon.port}"))
    assert len(printed.splitlines()) == 10
    assert all(line.startswith("autogpt_db_") for line in printed.splitlines())


def test_bring_autogpts_tables_forward(seeded_database_url: str) -> None:
    """In a database of one's own, beside no service."""
    page = steps((PAGES / "bring-autogpts-tables-forward.md").read_text("utf-8"), prompt="# ")
    (migrate,) = (each for each in page if each.command.startswith("autogpt-db migrate"))
    (ask,) = (each for each in page if "row_kept_aside" in each.command)
    daemon = DaemonProcess(database_url=seeded_database_url)
    try:
        with opened(daemon) as shell:
            assert "The schema is up to date." in done(shell, migrate.command)
            assert "reason" in done(shell, ask.command)
    finally:
        daemon.__exit__()


def test_use_the_client(daemon: DaemonProcess) -> None:
    """The page's Python, one block after the other, with the names that it takes for granted."""
    names: dict[str, Any] = {
        "user_id": "alice",
        "execution_id": "e1",
        "node_exec_id": "none such",
        "url": daemon.base,
        "Client": Client,
        "AsyncClient": AsyncClient,
        "Retries": Retries,
    }
    here = {
        "http://127.0.0.1:8005": daemon.base,
        "unix:/run/autogpt-db.sock": daemon.base,
        "…": "a token",
    }
    found = blocks("use-the-client.md", "python")
    assert len(found) == 4
    for block in found:
        text = block
        for theirs, ours in here.items():
            text = text.replace(theirs, ours)
        # What is at its top may be awaited, as in `python -m asyncio`.
        code = compile(text, "use-the-client.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        result = eval(code, names)
        if inspect.iscoroutine(result):
            asyncio.run(result)
        print(text)
    names["client"].close()
    assert names["run"]["status"] == "COMPLETED"
    assert names["outputs"] == {}
