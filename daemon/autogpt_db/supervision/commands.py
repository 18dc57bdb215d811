"""What `autogpt-db ctl` does beyond supervisorctl: reload and wait, drain, resume."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from autogpt_db.errors import ConfigurationError, DatabaseUnreachableError
from autogpt_db.supervision.configuration import FILE_NAME
from autogpt_db.supervision.credentials import changed_credentials, changed_sentence
from autogpt_db.supervision.status import connected

if TYPE_CHECKING:
    from pathlib import Path

_BETWEEN_QUESTIONS = 0.1


def roll(runtime: Path, *, wait: bool, seconds: float) -> None:
    """Have the settings read anew and every process restarted, one after the other.

    Args:
        runtime: The daemon's runtime directory.
        wait: Return when it is done, not when it has begun.
        seconds: Longest wait.

    Raises:
        ConfigurationError: The new settings are refused, or do not work; the old ones stay. Or
            credentials have changed that no reload can renew: nothing was done.
        DatabaseUnreachableError: No daemon answers, or it took too long.
    """
    deadline = time.monotonic() + seconds
    with connected(runtime) as daemon:
        changed = changed_credentials(json.loads(str(daemon.autogpt_db.status())))
        if changed:
            notice = f"{', '.join(changed)} changed: `systemctl restart autogpt-db` takes that"
            problem = changed_sentence(changed)
            daemon.autogpt_db.refuse_reload([problem], f"the last reload was refused, {notice}")
            raise ConfigurationError(problem)
        number = daemon.autogpt_db.rolling_restart()
        while wait:
            problems = json.loads(str(daemon.autogpt_db.rolling_outcome(number)))
            if problems:
                raise ConfigurationError(*problems)
            if problems is not None:
                return
            if time.monotonic() > deadline:
                raise DatabaseUnreachableError(
                    f"The rolling restart has not ended within {seconds:g} s and goes on; "
                    "`autogpt-db status` shows how far it is."
                )
            time.sleep(_BETWEEN_QUESTIONS)


def drain(runtime: Path) -> None:
    """Let the API processes finish what they do and end; new connections wait meanwhile."""
    with connected(runtime, patience=None) as daemon:
        daemon.supervisor.stopProcessGroup("api")


def resume(runtime: Path) -> None:
    """Start the API processes that `drain` ended; return when they are ready."""
    with connected(runtime, patience=None) as daemon:
        daemon.supervisor.startProcessGroup("api")


def supervisorctl(runtime: Path, words: tuple[str, ...]) -> None:
    """Run Supervisor's own supervisorctl on the daemon; it ends this program.

    Raises:
        DatabaseUnreachableError: No daemon answers there, or not to this user.
    """
    from supervisor import supervisorctl

    with connected(runtime) as daemon:
        daemon.supervisor.getState()
    supervisorctl.main(["-c", str(runtime / FILE_NAME), *words])
