"""Programs of programs.d: started after the service, stopped before it, kept alive like ours."""

from __future__ import annotations

import json
import os
import signal
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from daemon_process import LEAN, DaemonProcess, processes_of
from private_cluster import COPIED
from waiting import wait_for

ONE_OF_EACH = ["api.processes=1"]
PROGRAM = Path(__file__).parents[1] / "program_of_the_family.py"


@contextmanager
def daemon_with(database_url: str | None, **arguments: Any) -> Iterator[tuple[DaemonProcess, Path]]:
    daemon = DaemonProcess(database_url=database_url, **arguments)
    directory = daemon.directory / "programs.d"
    directory.mkdir()
    daemon.environment["AUTOGPT_DB_SUPERVISION_PROGRAMS_DIRECTORY"] = str(directory)
    try:
        yield daemon, directory
    finally:
        daemon.__exit__()


def section(daemon: DaemonProcess, name: str, *words: str, options: str = "") -> str:
    command = " ".join([sys.executable, str(PROGRAM), str(daemon.port), name, *words])
    return f"[program:{name}]\ncommand={command}\nstartsecs=0\n{options}\n"


def states(daemon: DaemonProcess) -> dict[str, str]:
    return {process["name"]: process["state"] for process in daemon.status()["processes"]}


def lines_of(daemon: DaemonProcess, name: str) -> list[str]:
    return [e["line"] for e in daemon.events("output") if e["process"] == name]


def moments(daemon: DaemonProcess, event: str, *children: str) -> list[int]:
    events = daemon.events()
    return [i for i, e in enumerate(events) if e["event"] == event and e.get("child") in children]


def test_started_after_ready_logged_by_name_and_stopped_first_so_that_its_last_write_lands() -> (
    None
):
    with daemon_with(None, started_before=True, assignments=ONE_OF_EACH) as (
        daemon,
        directory,
    ):  # the private PostgreSQL stops last of all
        (directory / "executor.conf").write_text(
            section(daemon, "executor", options="stopwaitsecs=20\npriority=1")
        )
        daemon.start()
        wait_for(lambda: states(daemon).get("executor") == "RUNNING", what="the program")
        wait_for(lambda: len(lines_of(daemon, "executor")) == 3, what="its lines")
        ours = ("api_00", "worker_00", "postgresql")
        (started,) = moments(daemon, "process_started", "executor")
        assert started > max(moments(daemon, "process_ready", *ours))
        assert started > [e["event"] for e in daemon.events()].index("serving")
        assert "executor RUNNING" in " ".join(daemon.supervisorctl("status").stdout.split())
        assert "1/1 executor" in daemon.status()["words"]
        assert "started with OK" in daemon.supervisorctl("tail", "executor").stdout

        output = [e for e in daemon.events("output") if e["process"] == "executor"]
        assert "started with OK" in [e["line"] for e in output], "without its colours"
        assert [e["level"] for e in output if e["line"] == "on stderr"] == ["warning"]

        assert daemon.stop() == 0
        (stopped,) = moments(daemon, "process_stopped", "executor")
        assert stopped < min(moments(daemon, "process_stopped", *ours))
        assert lines_of(daemon, "executor")[-1] == "wrote its last"
        assert processes_of(daemon.directory) == []

        (directory / "executor.conf").unlink()
        daemon.start()
        value = daemon.call("get_execution_kv_data", user_id="u", key="executor")
        assert value == "its last write"


def test_files_are_for_the_service_s_account_alone() -> None:
    """Whoever it is started by, and whatever an earlier version has left."""
    with daemon_with(None, assignments=LEAN) as (daemon, directory):
        (directory / "executor.conf").write_text(section(daemon, "executor", "umask"))
        daemon.runtime.mkdir()
        for name in ("api_00.log", "api_00.log.1"):
            (daemon.runtime / name).touch(0o644)
        other = daemon.directory / "somebody-else-s"
        other.touch()
        other.chmod(0o644)
        (daemon.runtime / "link.log").symlink_to(other)
        before = os.umask(0o022)
        try:
            daemon.start(seconds=90)
        finally:
            os.umask(before)
        wait_for(lambda: lines_of(daemon, "executor"), what="the program's lines")
        assert "umask 022" in lines_of(daemon, "executor"), "what others write is theirs to share"
        daemon.run("status")
        found = {
            path.relative_to(daemon.directory): path.lstat().st_mode
            for top in (daemon.runtime, daemon.state)
            for path in top.rglob("*")
            if COPIED not in path.parts
        }
        names = {str(path) for path in found}
        assert {"run/api_00.log", "run/supervisord.pid", "run/supervisor.sock"} <= names
        assert {"run/executor.log", "run/heartbeat.sock", "run/settings.json"} <= names
        open_to_others = {
            str(path): oct(mode)
            for path, mode in found.items()
            if mode & 0o077 and not stat.S_ISDIR(mode) and not stat.S_ISLNK(mode)
        }
        assert open_to_others == {}
        # As root, directories may be passed by the embedded server's account, but not listed.
        listed = {str(path) for path, mode in found.items() if stat.S_ISDIR(mode) and mode & 0o066}
        assert listed == set()
        assert other.stat().st_mode & 0o777 == 0o644


def test_tail_of_any_length_is_text(database_url: str) -> None:
    with daemon_with(database_url, assignments=LEAN) as (daemon, directory):
        (directory / "writer.conf").write_text(section(daemon, "writer", "writes"))
        daemon.start()
        wait_for(
            lambda: "end" in daemon.supervisorctl("tail", "writer").stdout, what="what it wrote"
        )
        with daemon._control() as control:
            log: Any = control.supervisor
            whole = str(log.readProcessStdoutLog("writer", 0, 0))
            assert "\ufffd\ufffd \\u009b1A end\n" in whole, "colours are left out"
            assert "é€🙂" * 40 in whole
            size = len(whole.encode())
            for count in range(1, 90):
                assert whole.endswith(str(log.readProcessStdoutLog("writer", -count, 0)))
                text, offset, overflow = log.tailProcessStdoutLog("writer", 0, count)
                assert (offset, overflow) == (size, True)
                assert whole.endswith(str(text))
        for count in (61, 62, 63):  # one of these begins within a character
            done = daemon.supervisorctl("tail", f"-{count}", "writer")
            assert done.returncode == 0, done.stdout
            assert whole.rstrip().endswith(done.stdout.rstrip())
        assert "Traceback" not in daemon.log()


def test_one_that_fails_is_started_again_with_pauses_and_never_given_up(database_url: str) -> None:
    with daemon_with(database_url, assignments=[*ONE_OF_EACH, "supervision.backoff_max=1"]) as (
        daemon,
        directory,
    ):
        (directory / "crashing.conf").write_text(
            section(daemon, "crashing", "crash").replace("startsecs=0", "startsecs=5")
        )
        (directory / "missing.conf").write_text("[program:missing]\ncommand=/nowhere/at/all\n")
        daemon.start()

        def failures() -> list[dict[str, Any]]:
            return [e for e in daemon.events("process_exited") if e["child"] == "crashing"]

        # Stock Supervisor gives up after the third.
        wait_for(lambda: len(failures()) >= 6, what="six failures")
        assert failures()[0]["again_in_seconds"] == 0
        assert all(0.3 < failure["again_in_seconds"] <= 1 for failure in failures()[2:])
        assert {failure["code"] for failure in failures()} == {3}

        # Between two starts; while it is being started it has not failed yet.
        def words_of_both() -> str:
            words: str = daemon.status()["words"]
            return words if words.count(" failed (") == 2 else ""

        words = wait_for(words_of_both, what="both failures in STATUS")
        assert "crashing failed (exit status 3)" in words
        assert words.startswith("serving: 1/1 api, 1/1 worker"), "the database is served regardless"
        assert "missing failed (can't find command '/nowhere/at/all')" in words
        assert daemon.call("health_check") == "OK"


def test_a_killed_one_is_back_at_once_and_none_outlives_main(database_url: str) -> None:
    with daemon_with(database_url, assignments=LEAN) as (daemon, directory):
        (directory / "a.conf").write_text(section(daemon, "executor"))
        daemon.start()
        wait_for(lambda: lines_of(daemon, "executor"), what="the program")
        pid = daemon.pid_of("executor")
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: daemon.pid_of("executor") not in {0, pid}, what="its successor")
        (event,) = [e for e in daemon.events("process_exited") if e["child"] == "executor"]
        assert event["how"] == "terminated by SIGKILL"
        assert event["again_in_seconds"] == 0
        daemon.kill()
        wait_for(lambda: not processes_of(daemon.directory), what="everything to be dead")


def test_no_secret_and_no_socket_of_the_daemon_reaches_it(database_url: str) -> None:
    environment = {
        "AUTOGPT_DB_API_TOKEN": "",
        "ENCRYPTION_KEY": "YXV0b2dwdC1kYi1hdXRvZ3B0LWRiLWF1dG9ncHQtZGI=",
        "PGPASSWORD": "s3cr3t",
        "REDIS_PASSWORD": "s3cr3t",
        "OF_NO_CONCERN": "kept",
    }
    del environment["AUTOGPT_DB_API_TOKEN"]  # the program calls without one
    with daemon_with(database_url, assignments=LEAN, environment=environment) as (
        daemon,
        directory,
    ):
        (directory / "a.conf").write_text(
            section(daemon, "executor", options='environment=DATABASE_URL="its own",B="2"')
        )
        daemon.start()
        wait_for(lambda: len(lines_of(daemon, "executor")) == 3, what="its lines")
        process = Path(f"/proc/{daemon.pid_of('executor')}")
        environ = (process / "environ").read_bytes()
        seen = dict(item.split("=", 1) for item in environ.decode().split("\0") if item)
        assert b"s3cr3t" not in environ
        assert b"YXV0b2dwdC1" not in environ
        assert seen["DATABASE_URL"] == "its own", "what its file says stays"
        assert seen["B"] == "2"
        assert seen["OF_NO_CONCERN"] == "kept"
        assert not [name for name in seen if name.startswith(("AUTOGPT_DB_", "NOTIFY", "LISTEN"))]
        descriptors = [str(entry.readlink()) for entry in (process / "fd").iterdir()]
        assert not [name for name in descriptors if name.startswith("socket:")]


def test_a_reload_adds_removes_and_replaces_and_leaves_the_rest_alone(database_url: str) -> None:
    with daemon_with(database_url, assignments=LEAN) as (daemon, directory):
        for name in ("same", "gone", "changed"):
            (directory / f"{name}.conf").write_text(section(daemon, name))
        daemon.start()
        wait_for(lambda: len(lines_of(daemon, "same")) == 3, what="the program")
        before = {name: daemon.pid_of(name) for name in ("same", "changed")}
        (directory / "gone.conf").unlink()
        (directory / "changed.conf").write_text(
            section(daemon, "changed", options='environment=NEW="1"')
        )
        (directory / "new.conf").write_text(section(daemon, "new"))
        done = daemon.run("ctl", "reload", "--wait")
        assert done.returncode == 0, done.stderr
        wait_for(lambda: states(daemon).get("new") == "RUNNING", what="the new one")
        wait_for(lambda: states(daemon).get("changed") == "RUNNING", what="the changed one")
        assert "gone" not in states(daemon)
        assert lines_of(daemon, "gone")[-1] == "wrote its last", "stopped as it asks to be"
        assert daemon.pid_of("same") == before["same"]
        pid = daemon.pid_of("changed")
        assert pid != before["changed"]
        assert b"NEW=1" in Path(f"/proc/{pid}/environ").read_bytes()
        assert [e["child"] for e in daemon.events("program_added")] == ["new"]
        assert [e["child"] for e in daemon.events("program_removed")] == ["gone"]
        assert [e["child"] for e in daemon.events("program_changed")] == ["changed"]


def test_a_faulty_file_is_named_and_nothing_else_suffers(database_url: str) -> None:
    with daemon_with(database_url, assignments=LEAN) as (daemon, directory):
        good, bad = directory / "good.conf", directory / "bad.conf"
        good.write_text(section(daemon, "good"))
        bad.write_text("[program:api]\ncommand=/bin/true\n")
        daemon.start()
        wait_for(lambda: states(daemon).get("good") == "RUNNING", what="the good one")
        (event,) = daemon.events("program_refused")
        assert event["level"] == "error"
        assert event["file"] == str(bad)
        assert "the daemon's own" in event["reason"]
        assert "bad.conf is faulty" in daemon.status()["words"]
        checked = daemon.run("check").stdout
        assert "programs: good" in checked
        assert f"{bad} is left out: the name api" in checked
        assert any("bad.conf is faulty" in words for words in daemon.read_notifications())

        # One that was in order keeps running as it was, and the reload says so and fails.
        pid = daemon.pid_of("good")
        bad.unlink()
        good.write_text("[program:good]\ncommand=\nnumprocs=many\n")
        done = daemon.run("ctl", "reload", "--wait")
        assert done.returncode == 78
        assert f"{good}: [program:good] numprocs" in done.stderr
        assert daemon.pid_of("good") == pid
        good.write_text(section(daemon, "good"))
        assert daemon.run("ctl", "reload", "--wait").returncode == 0
        assert daemon.pid_of("good") == pid
        assert "faulty" not in daemon.status()["words"]


def test_supervisorctl_reread_and_update_work_as_everywhere(database_url: str) -> None:
    with daemon_with(database_url, assignments=LEAN) as (daemon, directory):
        daemon.start()
        (directory / "late.conf").write_text(section(daemon, "late"))
        assert "late: available" in daemon.supervisorctl("reread").stdout
        assert "late: added process group" in daemon.supervisorctl("update").stdout
        wait_for(lambda: states(daemon).get("late") == "RUNNING", what="the program")
        assert daemon.supervisorctl("stop", "late").returncode == 0
        assert "late stopped" in daemon.status()["words"]
        assert json.loads(daemon.run("status", "--json").stdout)["state"] == "running"
