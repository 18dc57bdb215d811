"""The installed program as a black box: start it, wait until it says READY, always end it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from supervisor.xmlrpc import SupervisorTransport

import plain_http
from once import copy_of, made_once
from postgres_server import with_schema
from waiting import PATIENCE, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PROGRAM = Path(
    os.environ.get("AUTOGPT_DB_TEST_PROGRAM", Path(sys.executable).parent / "autogpt-db")
).absolute()
SUPERVISORCTL = Path(sys.executable).parent / "supervisorctl"
LEAN = ("api.processes=1", "worker.processes=0")
"""Assignments for the smallest tree, where a test is about one process, or about main."""
NO_WORKER = ("worker.processes=0",)
"""Assignments for a tree that serves as usual, where a test is about no job."""
# The machine's own configuration must not reach the daemon under test.
_SCRUBBED = ("AUTOGPT_DB_", "DATABASE_", "DIRECT_URL", "DB_", "PG", "PYRO_", "NOTIFY_", "LISTEN_",
             "STATE_DIRECTORY", "RUNTIME_DIRECTORY", "XDG_", "JOURNAL_", "LOG_LEVEL")  # fmt: skip


def free_port() -> int:
    """Return a TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def clean_environment(*modules: Path) -> dict[str, str]:
    """Return this process's environment without what configures a daemon.

    Args:
        modules: Directories of Python modules that it is to find.
    """
    path = [*map(str, modules), *DaemonProcess.hidden, *os.environ.get("PYTHONPATH", "").split()]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_SCRUBBED)}
    return kept | ({"PYTHONPATH": os.pathsep.join(path)} if path else {})


def hide(*packages: str) -> str:
    """Return a directory that, in PYTHONPATH, makes packages seem not to be installed."""
    return str(made_once("hidden", lambda target: _write_hidden(target, packages)))


class DaemonProcess:
    """One `autogpt-db run` with directories of its own.

    Args:
        database_url: AutoGPT's database; None for a private one.
        assignments: As of `--set`.
        environment: Variables beside this process's own that configure no daemon.
        modules: Directories of Python modules that it is to find.
        directory: An existing one, of another daemon.
        command: What starts the program, before its own words.
        program: The program.
        started_before: Whether its private cluster is there, as an earlier start has left it.

    Attributes:
        directory: Everything of this daemon; state, runtime and log live below it.
        base: Its URL.
        ready_seconds: How long the last start took until READY.
        everywhere: What is set for each daemon of a run, before its own assignments.
        place: Where the directories of a run's daemons are made.
        hidden: What is put into PYTHONPATH for the program's processes.
    """

    everywhere: ClassVar[tuple[str, ...]] = ()
    place: ClassVar[Path] = Path("/tmp")
    hidden: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        *,
        database_url: str | None = None,
        assignments: Iterable[str] = (),
        environment: Mapping[str, str] | None = None,
        modules: Iterable[Path] = (),
        directory: Path | None = None,
        command: Iterable[str] = (),
        program: Path = PROGRAM,
        started_before: bool = False,
    ) -> None:
        self.owned = directory is None
        self.directory = directory or Path(tempfile.mkdtemp(prefix="adb-", dir=self.place))
        self.directory.chmod(0o755)  # the embedded server's account must pass through it
        self.state = self.directory / "state"
        if started_before:
            copy_of(made_once("state", _leave_state), self.state)
        self.runtime = self.directory / "run"
        self.log_path = self.directory / "log"
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.assignments = [
            f"state_directory={self.state}",
            f"runtime_directory={self.runtime}",
            f"api.port={self.port}",
            "logging.format=json",
            *self.everywhere,
            *assignments,
        ]
        self.environment = clean_environment(*modules)
        self.environment |= {"AUTOGPT_DB_CONFIG": str(self.directory / "autogpt-db.toml")}
        (self.directory / "autogpt-db.toml").touch()
        if database_url is not None:
            self.environment["DATABASE_URL"] = with_schema(database_url)
        self.environment |= dict(environment or {})
        self.command = [*command, str(program), *self.set_arguments()]
        self.process: subprocess.Popen[bytes] | None = None
        self.ready_seconds = 0.0
        self.client = plain_http.client(base_url=self.base, timeout=70)
        self._notify_path = self.directory / "notify"
        self._notifications: socket.socket | None = None
        self.notified: list[str] = []

    def set_arguments(self) -> list[str]:
        return [word for assignment in self.assignments for word in ("--set", assignment)]

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self.client.close()
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self._notifications is not None:
            self._notifications.close()
        if self.owned:
            shutil.rmtree(self.directory, ignore_errors=True)

    # Life ------------------------------------------------------------------------------------

    def launch(
        self, *, environment: Mapping[str, str] | None = None, stderr: int | None = None
    ) -> None:
        """Start the program without waiting for it; its log goes to `stderr` if that is given."""
        if self._notifications is not None:
            self._notifications.close()
        self._notify_path.unlink(missing_ok=True)
        self._notifications = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notifications.bind(str(self._notify_path))
        self._notify_path.chmod(0o777)
        self._notifications.settimeout(0.02)
        self.notified.clear()
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.command, "run"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log if stderr is None else stderr,
                env=self.environment
                | {"NOTIFY_SOCKET": str(self._notify_path)}
                | dict(environment or {}),
            )

    def start(self, *, seconds: float = PATIENCE) -> None:
        """Start the program and wait until it says READY, as systemd would."""
        started = time.monotonic()
        self.launch()
        self.wait_notified("READY=1", seconds=seconds)
        self.ready_seconds = time.monotonic() - started

    def wait_notified(self, word: str, *, seconds: float = PATIENCE) -> None:
        """Wait until the daemon has told systemd `word` since the last start."""

        def said() -> bool:
            assert self.process is not None
            self.read_notifications()
            if any(word in message for message in self.notified):
                return True
            code = self.process.poll()
            assert code is None, f"the daemon ended with {code}:\n{self.log()}"
            return False

        try:
            wait_for(said, seconds=seconds, what=word)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()}") from None

    def read_notifications(self) -> list[str]:
        """Take in what the daemon has told systemd; return all of it."""
        assert self._notifications is not None
        while True:
            try:
                self.notified.append(self._notifications.recv(4096).decode())
            except TimeoutError:
                return self.notified

    @property
    def pid(self) -> int:
        """Return main's, whether it lives still or not."""
        assert self.process is not None
        return self.process.pid

    def signal(self, number: int) -> None:
        """Send main a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def runs(self) -> bool:
        """Return whether main has not ended."""
        assert self.process is not None
        return self.process.poll() is None

    def stop(self, *, seconds: float = PATIENCE) -> int:
        """Ask it to stop and return its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def kill(self) -> None:
        """Kill main as hard as can be."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def exit_code(self, *, seconds: float = PATIENCE) -> int:
        """Wait until it has ended by itself."""
        assert self.process is not None
        return self.process.wait(seconds)

    # Looking -----------------------------------------------------------------------------------

    def log(self) -> str:
        """Return everything it wrote."""
        return self.log_path.read_text("utf-8", "replace") if self.log_path.exists() else ""

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """Return its log records, those called `name` where one is given."""
        found = []
        whole = self.log().rpartition("\n")[0]  # without a line that is still being written
        for line in whole.splitlines():
            if line.startswith("{"):
                record = json.loads(line)
                if name is None or record.get("event") == name:
                    found.append(record)
        return found

    def status(self) -> dict[str, Any]:
        """Return what `autogpt-db status --json` shows, without starting a program for it."""
        with self._control() as control:
            tree: dict[str, Any] = json.loads(str(control.autogpt_db.status()))
        return tree

    @property
    def supervisorctl_program(self) -> str:
        """Return where supervisorctl is."""
        return str(SUPERVISORCTL)

    def supervisorctl(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run plain supervisorctl against it."""
        return subprocess.run(
            [SUPERVISORCTL, "-c", str(self.runtime / "supervisord.conf"), *words],
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE,
            check=False,
        )

    def information(self, name: str) -> dict[str, Any]:
        """Return what supervisorctl knows of a process of the tree: `api:api_00`, `worker:…`."""
        with self._control() as control:
            found: dict[str, Any] = control.supervisor.getProcessInfo(name)  # type: ignore[assignment]
        return found

    def pid_of(self, name: str) -> int:
        """Return the pid of a process of the tree, 0 when it has none.

        It is what `supervisorctl pid` prints, asked for in the same way, but without starting a
        program: under load, and while it is waited for, that would be most of the load.
        """
        try:
            return int(self.information(name)["pid"])
        except (OSError, xmlrpc.client.Error):
            return 0

    @contextmanager
    def _control(self) -> Iterator[xmlrpc.client.ServerProxy]:
        address = f"unix://{self.runtime / 'supervisor.sock'}"
        with xmlrpc.client.ServerProxy(
            "http://127.0.0.1", transport=SupervisorTransport(None, None, address)
        ) as control:
            yield control

    # Using -------------------------------------------------------------------------------------

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a subcommand of the program with this daemon's configuration."""
        return subprocess.run(
            [*self.command, *words],
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE,
            check=False,
            env=self.environment,
        )

    def call(self, method: str, **arguments: Any) -> Any:
        """Call a method; return its value, fail on anything but 200."""
        response = self.client.post(f"/{method}", json=arguments)
        assert response.status_code == 200, (method, response.status_code, response.text)
        return response.json()


def _write_hidden(target: Path, packages: Iterable[str]) -> None:
    target.mkdir(mode=0o755)
    for package in packages:
        source = f'raise ModuleNotFoundError("No module named {package!r}", name={package!r})\n'
        (target / f"{package}.py").write_text(source, "ascii")


def _leave_state(target: Path) -> None:
    with DaemonProcess(assignments=LEAN) as daemon:
        assert daemon.stop() == 0
        daemon.state.rename(target)


def processes_of(directory: Path) -> list[str]:
    """Return the command lines of live processes that name `directory` (orphans, after a stop)."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                variables = (entry / "environ").read_bytes()
                zombie = (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
            except OSError:
                continue
            if not zombie and (str(directory) in line or str(directory).encode() in variables):
                found.append(f"{entry.name} {line}")
    return found
