"""Keep the tree of processes alive until the service is told to stop."""

from __future__ import annotations

import ctypes
import gc
import os
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from autogpt_db.database.provisioning.directory_lock import DirectoryLock
from autogpt_db.errors import EXIT_STOPPED
from autogpt_db.listening import open_listeners
from autogpt_db.logs import FORMAT, format_in_use
from autogpt_db.logs.events import starting as log
from autogpt_db.settings import write_effective
from autogpt_db.settings.sources import is_configuration
from autogpt_db.supervision import clock
from autogpt_db.supervision.announcing import Announcer
from autogpt_db.supervision.configuration import render, write_configuration
from autogpt_db.supervision.counting import TreeMetrics
from autogpt_db.supervision.embedded_log import EmbeddedLog
from autogpt_db.supervision.file_modes import keep_to_ourselves
from autogpt_db.supervision.options import Options
from autogpt_db.supervision.output import ChildOutput
from autogpt_db.supervision.process_table import ProcessTable
from autogpt_db.supervision.programs import Program
from autogpt_db.supervision.rolling import RollingRestart, warn_of_unused_address
from autogpt_db.supervision.systemd import take_sockets
from autogpt_db.supervision.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable

    from autogpt_db.database.provisioning.manager import DatabaseManager
    from autogpt_db.settings import Settings


def run_processes(manager: DatabaseManager, *, reload: Callable[[], Settings]) -> int:
    """Run Supervisor in this process; return when everything has stopped.

    Args:
        manager: The database, proven usable, with no connection open.
        reload: Reads the settings anew, for SIGHUP.

    Returns:
        The exit code.

    Raises:
        ResourceTakenError: Another process listens on the address, or runs in the directory.
        ConfigurationError: A path or an address is unusable.
    """
    settings = manager.settings
    runtime = settings.paths.runtime
    clock.install()
    with ExitStack() as resources:
        resources.enter_context(DirectoryLock(runtime, "runtime_directory"))
        inherited = take_sockets()
        listeners = inherited or open_listeners(settings.api.host, settings.api.port)
        for listener in listeners:
            resources.enter_context(listener)
        Program.umask = keep_to_ourselves(runtime)
        resources.callback(os.umask, Program.umask)
        address = _host_and_port(settings)
        file = write_configuration(render(settings, address, manager.embedded), runtime)
        write_effective(settings, runtime)
        os.environ[FORMAT] = format_in_use()
        options = Options(file, hidden=is_configuration, settings=settings.supervision)
        table = ProcessTable(
            options,
            settings,
            listeners,
            TreeMetrics(runtime),
            inherited=bool(inherited),
            embedded=manager.embedded,
        )
        warn_of_unused_address(table, settings)
        output = ChildOutput(finished=format_in_use() != "journal")
        embedded_log = EmbeddedLog(manager.embedded, output) if manager.embedded else None
        tree = Tree(
            table,
            Announcer(table, database=f"{manager.server} at {manager.url.address}"),
            RollingRestart(table, reload, address),
            output,
            database=manager.url.address,
            embedded_log=embedded_log,
        )
        _give_memory_back()
        tree.run()
        if embedded_log is not None:
            embedded_log()  # its last words
    log.stopped(signal=tree.stop_reason)
    return EXIT_STOPPED


def _host_and_port(settings: Settings) -> str:
    host = settings.api.host
    return f"[{host}]:{settings.api.port}" if ":" in host else f"{host}:{settings.api.port}"


def _give_memory_back() -> None:
    """Return what starting took: main lives long and does little, and its children start over."""
    gc.collect()
    with suppress(AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)
