"""The files of programs.d: each taken whole, or left out with its reason."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from supervisor.options import ServerOptions

from autogpt_db.settings.sources import is_configuration
from autogpt_db.supervision.program_files import Programs, read_programs
from unprivileged import as_nobody

ROOT = Path(__file__).parents[2]
V0_6_48 = {"scheduler", "notification", "websocket", "rest", "executor"}
V0_6_68 = V0_6_48 | {
    "copilot-executor", "platform-linking-manager", "copilot-bot", "batch-executor",
}  # fmt: skip
"""AutoGPT's processes beside its DatabaseManager, as their console scripts are called."""


def read(directory: Path, before: Programs | None = None, **arguments: Any) -> Programs:
    return read_programs(
        directory,
        ServerOptions(),
        runtime=directory / "run",
        hidden=is_configuration,
        before=before.groups if before else None,
        **arguments,
    )


def processes(programs: Programs) -> dict[str, Any]:
    return {
        process.name: process
        for groups in programs.groups.values()
        for group in groups
        for process in group.process_configs
    }


def test_a_program_gets_the_rules_of_our_tree(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text(
        "[program:executor]\n"
        "command=/bin/true --here %(here)s\n"
        "numprocs=2\nprocess_name=%(program_name)s_%(process_num)d\n"
        'environment=DATABASE_URL="postgresql://its-own",PORT="%(ENV_HOME)s"\n'
        "priority=5\n"
    )
    found = read(tmp_path)
    assert found.faults == {}
    first, second = processes(found).values()
    assert (first.name, second.name) == ("executor_0", "executor_1")
    assert first.command == f"/bin/true --here {tmp_path}"
    assert first.environment == {
        "DATABASE_URL": "postgresql://its-own",
        "PORT": os.environ["HOME"],
    }
    assert first.priority > 100, "started after ours, stopped before"
    assert first.startretries >= 1_000_000, "never given up"
    assert first.stdout_events_enabled, "its lines reach the log"
    assert first.stderr_events_enabled
    assert first.stdout_logfile == str(tmp_path / "run" / "executor_0.log")
    assert first.stderr_logfile == str(tmp_path / "run" / "executor_0.stderr.log")
    assert first.stdout_logfile_maxbytes == 1024 * 1024


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "there is no [program:…] in it"),
        ("command=x\n", "no section headers"),
        ("[program:x]\n", "does not specify a command"),
        ("[program:x]\ncommand=/bin/true\ncomand=x\n", "did you mean command?"),
        ("[program:x]\ncommand=/bin/true\ncommand=/bin/false\n", "already exists"),
        ("[program:x]\ncommand=a\n[program:x]\ncommand=b\n", "already exists"),
        ("[program:x]\ncommand=%(ENV_NOWHERE_TO_BE_SEEN)s\n", "cannot be expanded"),
        ("[program:x]\ncommand=100%\n", "badly formatted"),
        ("[program:x]\ncommand=a\nnumprocs=0\n", "numprocs: expected a whole number, 1 to 64"),
        ("[program:x]\ncommand=a\nnumprocs=1000000\n", "numprocs: expected"),
        ("[program:x]\ncommand=a\nnumprocs=2\n", "process_num"),
        ("[program:x]\ncommand=a\nstopwaitsecs=-1\n", "stopwaitsecs: expected"),
        ("[program:x]\ncommand=a\nstopsignal=NONE\n", "not a valid signal"),
        ("[program:x]\ncommand=a\nautorestart=perhaps\n", "autorestart"),
        ("[program:x]\ncommand=a\nuser=nobody-of-that-name\n", "Invalid user name"),
        ("[program:x]\ncommand=a\nstdout_logfile=/nowhere/at/all\n", "does not exist"),
        ("[program:x]\ncommand=a\nstdout_logfile=/dev/zero\n", "no ordinary file"),
        ("[program:api]\ncommand=a\n", "the name api is the daemon's own"),
        ("[program:worker_07]\ncommand=a\n", "the daemon's own"),
        ("[program:postgresql]\ncommand=a\n", "the daemon's own"),
        ("[program:x]\ncommand=a\nprocess_name=api_00\n", "the name api_00 is the daemon's own"),
        ("[program:../x]\ncommand=a\n", "Invalid name"),
        ("[program:-x]\ncommand=a\n", "is no name for a process"),
        ("[program:x y]\ncommand=a\n", "[program:x y]"),
        ("[supervisord]\nuser=root\n", "is no [program:…]"),
        ("[eventlistener:x]\ncommand=a\nevents=TICK_5\n", "is no [program:…]"),
        ("[include]\nfiles=/etc/passwd\n", "is no [program:…]"),
        ("[program:a]\ncommand=a\n[program:b]\ncommand=b\nprocess_name=a\n", "stands there twice"),
    ],
)
def test_a_faulty_file_is_left_out_with_its_reason(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "bad.conf").write_text(text)
    (tmp_path / "good.conf").write_text("[program:good]\ncommand=/bin/true\n")
    found = read(tmp_path)
    assert list(processes(found)) == ["good"]
    assert reason in found.faults[tmp_path / "bad.conf"]
    assert "Available names" not in found.faults[tmp_path / "bad.conf"]


def test_files_that_cannot_be_trusted_or_read_are_named(tmp_path: Path) -> None:
    text = "[program:x]\ncommand=/bin/true\n"
    (tmp_path / "binary.conf").write_bytes(b"\xff\xfe")
    (tmp_path / "directory.conf").mkdir()
    (tmp_path / "large.conf").write_text(";" * 2_000_000)
    (tmp_path / "lost.conf").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.conf")
    (tmp_path / "public.conf").write_text(text)
    (tmp_path / "public.conf").chmod(0o666)
    (tmp_path / "ignored.conf.example").write_text("not even a section")
    found = read(tmp_path)
    assert found.groups == {}
    assert {path.name: fault.partition(":")[0] for path, fault in found.faults.items()} == {
        "binary.conf": "it is no UTF-8 text (byte 0)",
        "directory.conf": "it is no ordinary file",
        "large.conf": "it has more than 1048576 bytes",
        "lost.conf": "cannot be read",
        "pipe.conf": "it is no ordinary file",
        "public.conf": "everybody may write to it",
    }


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_stranger_s_file_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("[program:x]\ncommand=/bin/true\n")
    os.chown(tmp_path / "a.conf", 12345, 12345)
    assert "belongs to neither root" in read(tmp_path).faults[tmp_path / "a.conf"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who may write everywhere")
def test_a_log_behind_a_closed_door_is_named() -> None:
    """As the service's sandbox closes root's home."""
    with tempfile.TemporaryDirectory(dir="/tmp") as made:  # pytest's own are closed themselves
        directory = Path(made)
        directory.chmod(0o755)
        closed = directory / "closed"
        closed.mkdir(mode=0o700)
        file = directory / "bad.conf"
        file.write_text(f"[program:x]\ncommand=/bin/true\nstdout_logfile={closed}/log\n")
        told = as_nobody(lambda: read(directory).faults[file])
    assert told == f"[program:x] stdout_logfile: {closed}/log cannot be written to by this account"


def test_two_files_cannot_have_one_name(tmp_path: Path) -> None:
    for name in ("a.conf", "b.conf"):
        (tmp_path / name).write_text("[program:same]\ncommand=/bin/true\n")
    found = read(tmp_path)
    assert list(found.groups) == [tmp_path / "a.conf"]
    assert found.faults == {tmp_path / "b.conf": "the name same is taken by a.conf"}


def test_a_file_that_has_become_faulty_keeps_its_programs(tmp_path: Path) -> None:
    file = tmp_path / "a.conf"
    file.write_text("[program:x]\ncommand=/bin/true\n")
    before = read(tmp_path)
    file.write_text("[program:x]\ncommand=\n[oops\n")
    after = read(tmp_path, before)
    assert file in after.faults
    assert after.groups == before.groups
    file.unlink()
    assert read(tmp_path, after) == Programs({}, {})


def test_a_directory_counts_as_missing_only_when_it_was_asked_for(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    assert read(missing) == Programs({}, {})
    assert read(missing, required=True).faults == {missing: "there is no such directory"}


def test_no_variable_of_ours_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    (tmp_path / "a.conf").write_text(
        '[program:x]\ncommand=/bin/true\nenvironment=A="%(ENV_DATABASE_URL)s"\n'
    )
    (fault,) = read(tmp_path).faults.values()
    assert "ENV_DATABASE_URL" in fault
    assert "secret" not in fault


def test_our_own_streams_are_our_log(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text(
        "[program:x]\ncommand=/bin/true\nstdout_logfile=/dev/stdout\nstdout_logfile_maxbytes=0\n"
        "stderr_logfile=/dev/fd/2\n"
    )
    (process,) = processes(read(tmp_path)).values()
    assert process.stdout_logfile is None
    assert process.stderr_logfile is None


def test_the_examples_are_in_order(tmp_path: Path) -> None:
    examples = sorted((ROOT / "etc" / "programs.d").glob("*.conf.example"))
    for example in examples:
        (tmp_path / example.stem).write_text(example.read_text("utf-8"))
    found = read(tmp_path)
    assert found.faults == {}
    scripts = {name: Path(each.command).name for name, each in processes(found).items()}
    assert scripts == {name: name for name in V0_6_48 | V0_6_68} | {"websocket": "ws"}
    for process in processes(found).values():
        assert process.environment["DATABASEMANAGER_HOST"] == "localhost"
        assert process.environment["DATABASE_API_PORT"] == "8005"
