"""Our own namespace beside Supervisor's XML-RPC: `autogpt_db.status`, `.rolling_restart`."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from supervisor.states import getProcessStateDescription

from autogpt_db import __version__
from autogpt_db.listening import address_of
from autogpt_db.supervision import clock
from autogpt_db.supervision.process import LASTING, States

if TYPE_CHECKING:
    from autogpt_db.supervision.process import SupervisedProcess
    from autogpt_db.supervision.tree import Tree


class ControlInterface:
    """What an operator may ask of the tree beyond Supervisor's own methods."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def status(self) -> str:
        """Return the tree and its pools as JSON.

        Returns:
            `version`, `pid`, `address`, `inherited` (whether systemd listens there), `database`
            (its address), `state`, `words`, `credentials` (the directory that systemd put them
            into, or null), `schema` (which release AutoGPT's looks like, and
            what isn't served for it), and `processes` with `name`, `group`, `state`, `pid`,
            `uptime_seconds`, `restarts`, `last_exit`, `failing` (whether it ends each time before
            it has served for a second), `pool`.
        """
        tree = self._tree
        table = tree.table
        return json.dumps(
            {
                "version": __version__,
                "pid": os.getpid(),
                "address": [address_of(listener) for listener in table.listeners],
                "inherited": table.inherited,
                "database": tree.database,
                "state": "stopping" if table.stopping_now else "running",
                "words": tree.announcer.words(),
                "credentials": os.environ.get("CREDENTIALS_DIRECTORY") or None,
                "schema": table.schema,
                "processes": [_describe(process) for process in table.processes()],
            }
        )

    def rolling_restart(self) -> int:
        """Read the settings anew and restart one process at a time; return its number at once."""
        return self._tree.rolling.request()

    def refuse_reload(self, problems: list[str], notice: str) -> bool:
        """Log that a reload was asked for and would not do what it should, and show it.

        Args:
            problems: Why, a sentence each.
            notice: Words for the state.
        """
        self._tree.rolling.refuse(tuple(problems), notice)
        return True  # XML-RPC knows no None

    def rolling_outcome(self, number: int) -> str:
        """Return as JSON why a rolling restart failed: a list, empty when it did not.

        Args:
            number: What `rolling_restart` returned.

        Returns:
            `null` while it goes on.
        """
        return json.dumps(self._tree.rolling.outcome(number))


def make_interface(tree: Tree, **_options: Any) -> ControlInterface:
    """Make the namespace; named in etc/supervisord.conf."""
    return ControlInterface(tree)


def is_failing(process: SupervisedProcess) -> bool:
    """Tell whether a process has failed again and again, and not served for `LASTING` since.

    Its state alone says so only between two tries, and for a moment it is up in each of them.
    """
    since = process.ready_since
    lasts = since is not None and clock.now() - since >= LASTING
    return process.failures > 1 and not lasts


def _describe(process: SupervisedProcess) -> dict[str, Any]:
    running = process.state == States.RUNNING
    return {
        "name": process.name,
        "group": process.group.config.name,
        "state": getProcessStateDescription(
            States.STARTING if running and not process.able else process.state
        ),
        "pid": process.pid or None,
        "uptime_seconds": round(clock.now() - process.laststart, 1) if running else None,
        "restarts": max(process.restarts, 0),
        "last_exit": process.last_exit,
        "failing": is_failing(process),
        "pool": process.pool or None,
    }
