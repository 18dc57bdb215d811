"""Supervisor's options, read from the rendered configuration, and its way to the system."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import structlog
from supervisor import http, xmlrpc
from supervisor.options import ServerOptions
from supervisor.poller import PollPoller
from supervisor.states import SupervisorStates

from autogpt_db.errors import ConfigurationError
from autogpt_db.logs.events import processes as log
from autogpt_db.settings import PROGRAMS_DIRECTORY
from autogpt_db.supervision import clock
from autogpt_db.supervision.control_socket import ControlSocket
from autogpt_db.supervision.program_files import Programs, read_programs
from autogpt_db.supervision.stock_interface import ControlHandler

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from supervisor.supervisord import Supervisor

    from autogpt_db.settings import SupervisionSettings

_log = structlog.get_logger("supervisor")  # noqa: TID251 - a library's sentences are no events
_STOPPING = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP})


class Log:
    """Supervisor's own log, as records of ours.

    Replaces stock behaviour: its logger writes to a file or stream in blocking mode, and a reader
    that has gone takes supervisord down with it. What Supervisor tells about processes we tell
    ourselves, with fields; its own words are for `logging.level = "debug"`.
    """

    handlers: tuple[()] = ()
    level = 0

    def log(self, _level: int, message: str, **values: Any) -> None:
        """Take a record of a numeric level."""
        self.debug(message, **values)

    def debug(self, message: str, **values: Any) -> None:
        """Take a record that tells what is told by events of ours."""
        _log.debug(message % values if values else message)

    info = warn = debug

    def blather(self, message: str, **values: Any) -> None:
        """Drop what Supervisor says of each turn of its loop."""

    trace = blather

    def error(self, message: str, **values: Any) -> None:
        """Take a record of something that went wrong inside Supervisor."""
        _log.error(message % values if values else message)

    critical = error

    def close(self) -> None:
        """Do nothing: the sink is the process's."""


class _Silent:
    """The HTTP server's own log: each request of supervisorctl, which nobody wants to read."""

    def log(self, message: str) -> None:
        """Drop a line."""


class Poller(PollPoller):  # type: ignore[misc]
    """A poll that ends when something is due.

    Replaces stock behaviour: it sleeps for a second unless a descriptor wakes it, so a restart or
    a `supervisorctl restart` takes up to a second for each of its steps.
    """

    next_due: Callable[[], float | None] | None = None

    def poll(self, timeout: float) -> tuple[list[int], list[int]]:
        """Return the readable and the writable descriptors.

        Args:
            timeout: Longest wait, seconds.
        """
        due = self.next_due() if self.next_due is not None else None
        if due is not None:
            timeout = min(timeout, max(due - clock.now(), 0.001))
        readable, writable = super().poll(timeout)
        return readable, writable


class Listeners:
    """The listening sockets in place of Supervisor's socket manager.

    Replaces stock behaviour: the socket is closed when the last child has exited, and whatever
    waits in its backlog is reset.
    """

    def __init__(self, listeners: list[socket.socket]) -> None:
        self.listeners = listeners

    def get_socket(self) -> socket.socket:
        """Return the socket that is descriptor 0 of the children."""
        return self.listeners[0]

    def config(self) -> str:
        """Return what Supervisor shows of it."""
        return str(self.listeners[0].getsockname())


class Options(ServerOptions):  # type: ignore[misc]
    """What Supervisor was told.

    Args:
        file: The rendered configuration.
        hidden: Names of environment variables that no child may see.
        settings: Which directory the programs of others are in.

    Attributes:
        programs: What that directory holds.
    """

    def __init__(
        self, file: Path, *, hidden: Callable[[str], bool], settings: SupervisionSettings
    ) -> None:
        super().__init__()
        self.configfile = str(file)
        self.hidden = hidden
        self.supervision = settings
        self.programs = Programs({}, {})
        self._mood = SupervisorStates.RUNNING
        self.reload_requested = False
        self.poller = Poller(self)
        self.realize(args=[], doc="", progname="autogpt-db")
        self.first = True
        self.test = False
        self.logger = Log()

    @property
    def mood(self) -> int:
        """Return whether the tree runs or stops."""
        return int(self._mood)

    @mood.setter
    def mood(self, value: int) -> None:
        # `supervisorctl reload` and SIGHUP. Replaces stock behaviour: everything is stopped and
        # started again, and every descriptor above 4 closed.
        if value == SupervisorStates.RESTARTING:
            self.reload_requested = True
        elif self._mood != SupervisorStates.SHUTDOWN:
            self._mood = value

    def process_config(self, do_usage: bool = True) -> None:
        """Read the tree, and the programs that join it; `supervisorctl reread` does so too."""
        super().process_config(do_usage)
        given = self.supervision.programs_directory
        self.programs = read_programs(
            given or PROGRAMS_DIRECTORY,
            self,
            runtime=Path(self.configfile).parent,
            hidden=self.hidden,
            required=given is not None,
            before=self.programs.groups,
        )
        for path, fault in self.programs.faults.items():
            log.program_refused(file=str(path), reason=fault)
        for groups in self.programs.groups.values():
            self.process_group_configs += groups

    def usage(self, msg: str) -> NoReturn:
        """Raise instead of printing a hint and exiting with code 2."""
        raise ConfigurationError(f"Supervisor refuses {self.configfile}: {msg}")

    def parse_fcgi_socket(self, sock: str, *_others: Any) -> str:
        """Take the address as it is: the socket is open already."""
        return sock

    def make_http_servers(self, supervisord: Supervisor) -> list[tuple[dict[str, Any], Any]]:
        """Open the control socket for XML-RPC and `tail`.

        Replaces stock behaviour: a web interface comes with it, for nobody here, and takes memory.
        """
        (config,) = self.server_configs
        server = ControlSocket(config["file"], config["chmod"], _Silent())
        namespaces = [
            (name, factory(supervisord, **options))
            for name, factory, options in self.rpcinterface_factories
        ]
        namespaces.append(("system", xmlrpc.SystemNamespaceRPCInterface(namespaces)))
        server.install_handler(http.mainlogtail_handler(supervisord))
        server.install_handler(http.logtail_handler(supervisord))
        server.install_handler(ControlHandler(supervisord, namespaces))
        return [(config, server)]

    def fork(self) -> int:
        """Fork with stop signals held back.

        Replaces stock behaviour: a signal that reaches the child before its exec runs main's
        handler there, and is lost.
        """
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
        pid = os.fork()
        if pid == 0:
            for number in _STOPPING | {signal.SIGCHLD, signal.SIGUSR2}:
                signal.signal(number, signal.SIG_DFL)
            signal.set_wakeup_fd(-1)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return pid

    def execve(self, filename: str, argv: list[str], env: dict[str, str]) -> None:
        """Start the program, unless main died meanwhile."""
        if os.getppid() == 1 and self.main_pid != 1:
            os._exit(0)  # main died before the kernel was asked to tell
        os.execve(filename, argv, env)  # noqa: S606 - no shell is wanted

    main_pid = os.getpid()
