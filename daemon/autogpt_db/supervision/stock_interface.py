"""Supervisor's own XML-RPC methods, and who calls them: where they differ from stock."""

from __future__ import annotations

import socket
import struct
from collections import OrderedDict
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from supervisor import http
from supervisor.http import NOT_DONE_YET
from supervisor.rpcinterface import SupervisorNamespaceRPCInterface
from supervisor.states import RUNNING_STATES
from supervisor.xmlrpc import Faults, RPCError, supervisor_xmlrpc_handler

from autogpt_db.supervision import clock
from autogpt_db.supervision.kinds import ApiProcess
from autogpt_db.supervision.log_reading import FollowedLog, read_log, tail_log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from supervisor.supervisord import Supervisor

    from autogpt_db.supervision.kinds import ReportingProcess
    from autogpt_db.supervision.process import Restart

LONGEST_HOLD = 5.0
"""Seconds between the stop and the start of a restart: the client sends both in one breath."""
_MOST_CLIENTS = 100
_ASKS_BEFORE_RESTART = 2


class RestartingTree(Protocol):
    """What the methods need of the tree beside Supervisor's own.

    Attributes:
        each_turn: What is called at each turn of its loop.
    """

    each_turn: list[Callable[[], None]]

    def request_restart(self, process: ReportingProcess) -> Restart:
        """Ask for one process to be restarted in its turn."""


class ControlHandler(supervisor_xmlrpc_handler):  # type: ignore[misc]
    """The control socket's XML-RPC, which tells the methods who calls.

    Args:
        tree: The tree of processes.
        namespaces: Names and interfaces, `StockInterface` among them.
    """

    def __init__(self, tree: Supervisor, namespaces: list[tuple[str, Any]]) -> None:
        super().__init__(tree, namespaces)
        self._stock = next(each for _, each in namespaces if isinstance(each, StockInterface))
        self._client = 0

    def continue_request(self, data: str, request: Any) -> None:
        """Answer a request."""
        credentials = request.channel.socket.getsockopt(
            socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("iII")
        )
        (self._client, _, _) = struct.unpack("iII", credentials)
        super().continue_request(data, request)

    def call(self, method: str, params: tuple[Any, ...]) -> Any:
        """Call a method."""
        with self._stock.called(method, self._client):
            return super().call(method, params)


class StockInterface(SupervisorNamespaceRPCInterface):  # type: ignore[misc]
    """Supervisor's own methods.

    Replaces stock behaviour: logs are read as text (`log_reading`), and `supervisorctl restart`
    stops all API processes before it starts any. It asks for them to be stopped, waits, and asks
    for them to be started; what it is about shows in that it asks for the version twice before
    (once as restart and once as stop), and nothing else does. Then API processes are not stopped,
    but restarted one after the other when the start is asked for. Where that doesn't follow, they
    are stopped after all.
    """

    def __init__(self, tree: RestartingTree) -> None:
        super().__init__(tree)
        self._asked_version: OrderedDict[int, int] = OrderedDict()
        self._restarts = False
        self._held: list[ApiProcess] = []
        self._last: Restart | None = None
        tree.each_turn.append(self._let_go)

    @contextmanager
    def called(self, method: str, client: int) -> Iterator[None]:
        """Know what a client is about, while its call of `method` is begun.

        Args:
            method: With its namespace.
            client: Its process id.
        """
        asked = self._asked_version.pop(client, 0)
        if method == "supervisor.getVersion":
            self._asked_version[client] = asked + 1
        elif method.startswith("supervisor.stop") and asked >= _ASKS_BEFORE_RESTART:
            self._asked_version[client] = asked  # there may be more names
            self._restarts = True
        while len(self._asked_version) > _MOST_CLIENTS:
            self._asked_version.popitem(last=False)
        try:
            yield
        finally:
            self._restarts = False

    # Restarting --------------------------------------------------------------------------------

    def stopProcess(self, name: str, wait: bool = True) -> Any:  # noqa: N802 - Supervisor's name
        """Stop a process; in a restart, leave an API process for its successor to follow."""
        if self._restarts:
            _group, process = self._getGroupAndProcess(name)
            if process is not None and self._hold([process]):
                return True
        return super().stopProcess(name, wait)

    def stopProcessGroup(self, name: str, wait: bool = True) -> Any:  # noqa: N802
        """Stop a group's processes."""
        group = self.supervisord.process_groups.get(name)
        held = self._hold(group.processes.values()) if group is not None else []
        return _and_also(super().stopProcessGroup(name, wait), held)

    def stopAllProcesses(self, wait: bool = True) -> Any:  # noqa: N802
        """Stop every process."""
        held = self._hold(self.supervisord.processes())
        return _and_also(super().stopAllProcesses(wait), held)

    def startProcess(self, name: str, wait: bool = True) -> Any:  # noqa: N802
        """Start a process; one that a restart has left running is restarted in its turn."""
        _group, process = self._getGroupAndProcess(name)
        if process not in self._held:
            return super().startProcess(name, wait)
        self._update("startProcess")
        self._held.remove(process)
        process.held_since = None
        restart = self._last = self.supervisord.request_restart(process)

        def restarted() -> Any:
            if not restart.ended:
                return NOT_DONE_YET
            if restart.problem is not None:
                raise RPCError(Faults.ABNORMAL_TERMINATION, restart.problem)
            return True

        restarted.delay = 0.05  # type: ignore[attr-defined]
        restarted.rpcinterface = self  # type: ignore[attr-defined]
        return restarted if wait else True

    def _hold(self, processes: Iterable[Any]) -> list[ApiProcess]:
        """Leave those API processes running that a restart has asked to stop; return them."""
        held = [
            process
            for process in processes
            if self._restarts
            and isinstance(process, ApiProcess)
            and process.get_state() in RUNNING_STATES
        ]
        for process in held:
            process.held_since = clock.now()
        self._held += held
        return held

    def _let_go(self) -> None:
        """Stop what nobody asked to start again, though the restarts before it have ended."""
        if self._last is not None and not self._last.ended:
            for process in self._held:
                process.held_since = clock.now()
        for process in list(self._held):
            if process.held_since is None or clock.now() - process.held_since > LONGEST_HOLD:
                self._held.remove(process)
                process.held_since = None
                if process.state in RUNNING_STATES:
                    process.stop()

    # Logs --------------------------------------------------------------------------------------

    def readLog(self, offset: int, length: int) -> str:  # noqa: N802 - Supervisor's name
        """Return a piece of main's log, of which there is none: its records go elsewhere."""
        self._update("readLog")
        return self._read(self.supervisord.options.logfile, offset, length)

    readMainLog = readLog  # noqa: N815 - Supervisor's name

    def _readProcessLog(self, name: str, offset: int, length: int, channel: str) -> str:  # noqa: N802 - Supervisor's name
        return self._read(self._log_of(name, channel), offset, length)

    def _tailProcessLog(  # noqa: N802 - Supervisor's name
        self, name: str, offset: int, length: int, channel: str
    ) -> list[str | int | bool]:
        logfile = self._log_of(name, channel)
        return (
            list(tail_log(Path(logfile), int(offset), int(length))) if logfile else ["", 0, False]
        )

    def _log_of(self, name: str, channel: str) -> str | None:
        _group, process = self._getGroupAndProcess(name)
        if process is None:
            raise RPCError(Faults.BAD_NAME, name)
        found: str | None = getattr(process.config, f"{channel}_logfile")
        return found

    def _read(self, logfile: str | None, offset: int, length: int) -> str:
        if logfile is None or not Path(logfile).exists():
            raise RPCError(Faults.NO_FILE, logfile)
        try:
            return read_log(Path(logfile), int(offset), int(length))
        except ValueError:
            raise RPCError(Faults.BAD_ARGUMENTS) from None
        except OSError:
            raise RPCError(Faults.FAILED) from None


def _and_also(deferred: Callable[[], Any], held: list[ApiProcess]) -> Callable[[], Any]:
    """Return what a method for many processes answers, with those it was kept from."""

    def stopped() -> Any:
        results = deferred()
        if results is NOT_DONE_YET:
            return results
        done = [
            {
                "name": process.name,
                "group": process.group.config.name,
                "status": Faults.SUCCESS,
                "description": "OK",
            }
            for process in held
        ]
        return done + results

    stopped.delay = deferred.delay  # type: ignore[attr-defined]
    stopped.rpcinterface = deferred.rpcinterface  # type: ignore[attr-defined]
    return stopped


def make_interface(tree: RestartingTree, **_options: Any) -> StockInterface:
    """Make the namespace `supervisor`; named in etc/supervisord.conf."""
    http.tail_f_producer = FollowedLog
    return StockInterface(tree)
