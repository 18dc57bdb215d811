"""The page: settings → logging → DatabaseManager → run_processes.

Everything the service does at start is below, in order; leaving undoes it in reverse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.database.provisioning.fitting import fit, refit
from autogpt_db.database.provisioning.manager import DatabaseManager
from autogpt_db.lifecycle import describe_failure, stop_on_signals, withhold_memory
from autogpt_db.logs import bind_process, configure_logging, copy_records, hold_records
from autogpt_db.statements.methods import needed_by_methods
from autogpt_db.supervision.run import run_processes
from autogpt_db.supervision.systemd import announce

if TYPE_CHECKING:
    from collections.abc import Callable

    from autogpt_db.database.schema import Needed
    from autogpt_db.settings import Settings


def main(load: Callable[[], Settings]) -> int:
    """Run the service until it is told to stop.

    Args:
        load: Reads the settings; called again for every reload.

    Returns:
        The exit code: docs/reference/exit-codes.md lists them.
    """
    withhold_memory()
    hold_records()
    bind_process("main")
    try:
        with stop_on_signals():
            settings = load()
            configure_logging(settings.logging)
            if settings.admin.enabled:
                copy_records(settings.paths.runtime)
            needed = needed_by_methods(_load_methods)
            with DatabaseManager(settings, notify=announce, needed=needed) as manager:
                manager.settings = fit(manager, announce)
                return run_processes(manager, reload=lambda: refit(manager, load()))
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is logged and has a code
        return describe_failure(error)


def _load_methods() -> Needed:
    from autogpt_db.operations.needed import needed

    return needed()
