"""Who is let into the admin listener: tokens, links, sessions, names, and those who try."""

from __future__ import annotations

import asyncio
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog
from starlette.requests import Request

from autogpt_db.admin import brake, sessions, tickets, tokens
from autogpt_db.admin.brake import Brake
from autogpt_db.admin.hosts import AllowedHosts
from autogpt_db.admin.identity import Scope
from autogpt_db.admin.problems import ProblemError
from autogpt_db.admin.sessions import Sessions
from autogpt_db.admin.tickets import Tickets
from autogpt_db.admin.tokens import (
    READ_TOKEN,
    TOKEN,
    TokensInEffect,
    make_tokens,
    read_token,
)
from autogpt_db.errors import ConfigurationError
from autogpt_db.settings import AdminSettings, load_settings
from waiting import PATIENCE

if TYPE_CHECKING:
    from autogpt_db.settings import Settings


def settings_in(directory: Path, *assignments: str) -> Settings:
    paths = [f"state_directory={directory}", f"runtime_directory={directory / 'run'}"]
    return load_settings(assignments=[*paths, *assignments], environment={}).settings


def test_tokens_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    first = make_tokens(settings_in(tmp_path))
    for name in (TOKEN, READ_TOKEN):
        assert stat.S_IMODE((tmp_path / "admin" / name).stat().st_mode) == 0o600
    assert sorted(path.name for path in (tmp_path / "admin").iterdir()) == [READ_TOKEN, TOKEN]
    assert make_tokens(settings_in(tmp_path)) == first
    assert first.token != first.read_token
    assert first.token is not None
    assert first.read_token is not None
    assert first.scope_of(first.token) is Scope.ACT
    assert first.scope_of(first.read_token) is Scope.READ
    for wrong in ("", first.token[:-1], first.token + "x", "ü\udc80"):
        assert first.scope_of(wrong) is None


@pytest.mark.parametrize("content", ["", "short", " " * 200])
def test_a_token_that_could_be_guessed_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "token"
    path.touch(0o600)
    path.write_text(content)
    with pytest.raises(ConfigurationError, match="holds no token"):
        read_token(path)


def test_a_token_that_others_may_read_is_refused(tmp_path: Path) -> None:
    make_tokens(settings_in(tmp_path))
    (tmp_path / "admin" / TOKEN).chmod(0o640)
    with pytest.raises(ConfigurationError, match="may be read by others"):
        make_tokens(settings_in(tmp_path))


class Clock:
    """Moves as it is told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def go_on(self) -> None:
        self.now += tokens.LOOK


def test_who_removes_or_replaces_a_token_revokes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(tokens, "time", clock)
    directory = tmp_path / "admin"
    revoked: list[str] = []
    in_effect = TokensInEffect(settings_in(tmp_path))
    in_effect.on_revoked = lambda: revoked.append("all")
    act, reads = read_token(directory / TOKEN), read_token(directory / READ_TOKEN)
    assert in_effect.scope_of(act) is Scope.ACT

    (directory / READ_TOKEN).unlink()
    assert in_effect.scope_of(reads) is Scope.READ, "it has just looked"
    clock.go_on()
    assert in_effect.scope_of(reads) is None
    assert in_effect.scope_of(read_token(directory / READ_TOKEN)) is Scope.READ, "another is made"
    assert revoked == []

    (directory / TOKEN).write_text("x" * tokens.LEAST_LENGTH)
    clock.go_on()
    assert in_effect.scope_of("x" * tokens.LEAST_LENGTH) is Scope.ACT
    assert in_effect.scope_of(act) is None
    assert revoked == ["all"]

    (directory / TOKEN).write_text("short")
    clock.go_on()
    for given in ("x" * tokens.LEAST_LENGTH, "short", "", "None"):
        assert in_effect.scope_of(given) is None
    assert in_effect.scope_of(read_token(directory / READ_TOKEN)) is Scope.READ
    (directory / TOKEN).unlink()
    clock.go_on()
    in_effect.look()
    assert in_effect.scope_of(read_token(directory / TOKEN)) is Scope.ACT


def test_a_token_that_was_removed_comes_back_though_nobody_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "LOOK", 0.01)
    file = tmp_path / "admin" / READ_TOKEN

    async def main() -> str:
        looking = asyncio.create_task(TokensInEffect(settings_in(tmp_path)).look_forever())
        before = read_token(file)
        file.unlink()
        async with asyncio.timeout(PATIENCE):
            while not file.exists():
                await asyncio.sleep(0.01)
        looking.cancel()
        return before

    assert asyncio.run(main()) != read_token(file)


def test_a_token_that_cannot_be_made_is_tried_again_and_told_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(tokens, "time", clock)
    in_effect = TokensInEffect(settings_in(tmp_path))
    directory = tmp_path / "admin"
    directory.rename(tmp_path / "away")
    directory.write_text("no directory")
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            clock.go_on()
            in_effect.look()
    assert [each["event"] for each in logs] == ["admin_token_unusable"] * 2, "for each token once"
    directory.unlink()
    clock.go_on()
    in_effect.look()
    assert in_effect.scope_of(read_token(directory / READ_TOKEN)) is Scope.READ


def test_a_ticket_is_good_once_and_not_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    issued = Tickets()
    ticket = issued.issue()
    assert not issued.take(ticket + "x")
    assert issued.take(ticket)
    assert not issued.take(ticket)
    late = issued.issue()
    monkeypatch.setattr(tickets, "LIFETIME", -1.0)
    assert not issued.take(issued.issue())
    for _ in range(tickets.MOST):
        issued.issue()
    assert not issued.take(late), "more are out than may be"


def test_sessions_end_and_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Sessions()
    first = opened.open()
    session = opened.find(first)
    assert session is not None
    assert session.proves(session.csrf)
    assert not session.proves(None)
    assert not session.proves(opened.find(opened.open()).csrf)  # type: ignore[union-attr]
    opened.close(session)
    assert opened.find(first) is None
    for _ in range(2 * sessions.MOST):
        opened.open()
    assert len(opened) == sessions.MOST
    monkeypatch.setattr(sessions, "LIFETIME", -1.0)
    assert Sessions().find(Sessions().open()) is None
    ended = opened.open()
    assert opened.find(ended) is None


async def _fail(slow: Brake, times: int) -> list[int]:
    async def once() -> int:
        try:
            await slow.failed()
        except ProblemError as problem:
            return problem.status
        return 401

    return await asyncio.gather(*(once() for _ in range(times)))


def test_failed_tries_wait_longer_and_longer_and_few_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(brake, "FIRST", 0.001)
    monkeypatch.setattr(brake, "LONGEST", 0.004)
    slow = Brake()
    pauses = [slow.pause]
    for _ in range(4):
        asyncio.run(_fail(slow, 1))
        pauses.append(slow.pause)
    assert pauses == [0.001, 0.002, 0.004, 0.004, 0.004]
    answers = asyncio.run(_fail(slow, brake.MOST_WAITING + 5))
    assert answers.count(429) == 5
    monkeypatch.setattr(brake, "FORGOTTEN", 0.0)
    assert slow.pause == 0.001


def _asks(*hosts: str) -> Request:
    headers = [(b"host", host.encode()) for host in hosts]
    return Request({"type": "http", "headers": headers, "method": "GET", "path": "/"})


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8905", "localhost", "LOCALHOST:1", "[::1]:8905", "127.0.0.2", "db.example",
             "other.example:443", "db.example:8905", "db.example.", "[FD00:0::1]:8905", "[fd00::2]",
             "192.0.2.7:1"]
)  # fmt: skip
def test_its_own_names_are_answered_to(host: str) -> None:
    allowed = AllowedHosts(
        AdminSettings(
            host="192.0.2.7",
            # As people write them: with a port, with brackets and without.
            allowed_hosts=" db.example, Other.Example:8443,, fd00::1,[fd00:0:0::2]:8905",
        )
    )
    allowed.verify(_asks(host))


@pytest.mark.parametrize(
    "hosts",
    [(), ("",), ("evil.example",), ("127.0.0.1.evil.example",), ("localhost@evil.example",),
     ("localhost", "localhost"), ("192.0.2.1",), ("localhost:x",), ("localhost/",),
     ("db.example.evil",), ("[fd00::1]",), ("fd00::1",), ("db.example..",), ("[db.example]",)],
)  # fmt: skip
def test_a_foreign_name_is_refused(hosts: tuple[str, ...]) -> None:
    allowed = AllowedHosts(AdminSettings(allowed_hosts="db.example"))
    with pytest.raises(ProblemError) as refused:
        allowed.verify(_asks(*hosts))
    assert refused.value.status == 421


@pytest.mark.parametrize(
    ("assignments", "problem"),
    [
        (["admin.host=0.0.0.0"], "admin.allowed_hosts"),
        (["admin.port=8005"], "admin.port"),
        (["admin.port=8005", "admin.host=localhost"], "admin.port"),
        (["admin.port=8005", "api.host=0.0.0.0", "api.trusted_network=true"], "admin.port"),
        (["database.connection_limit=7"], "database.connection_limit"),
    ],
)
def test_settings_that_contradict_each_other(
    tmp_path: Path, assignments: list[str], problem: str
) -> None:
    settings_in(tmp_path, *assignments)  # without the listener nothing is wrong
    with pytest.raises(ConfigurationError, match=problem):
        settings_in(tmp_path, "admin.enabled=true", *assignments)


def test_nothing_of_it_is_imported_where_it_is_not_run() -> None:
    """Main, API and workers have neither the room nor what it alone needs."""
    code = (
        "import sys; import autogpt_db.main, autogpt_db.api, autogpt_db.worker.runner;"
        "print([name for name in sys.modules if name.startswith('autogpt_db.admin')"
        " or name.partition('.')[0] in {'uvicorn', 'jinja2', 'sse_starlette', 'h11'}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_nothing_is_imported_there_of_what_runs_jobs() -> None:
    """It shows and administers them: with the queue's own library it would be 3 MB larger."""
    code = (
        "import sys; import autogpt_db.admin.app; from autogpt_db.worker.registry import discover;"
        "print(len(discover()), 'procrastinate' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    count, loaded = done.stdout.split()
    assert int(count) > 10
    assert loaded == "False"
