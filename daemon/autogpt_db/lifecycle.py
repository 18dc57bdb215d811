"""How a process of ours ends: signals become an orderly unwinding, failures an exit code."""

from __future__ import annotations

import resource
import signal
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from autogpt_db.errors import EXIT_BUG, EXIT_STOPPED, AutogptDbError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

OPEN_FILES = 65_536
"""Open files, connections included, that a process allows itself where the system lets it."""
_STOPPING = (signal.SIGTERM, signal.SIGINT)


class StopRequested(BaseException):
    """A stop signal that arrived before anything else handles it."""


def allow_many_files() -> None:
    """Raise the limit on open files as far as may be: a thousand silent clients are too few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def withhold_memory() -> None:
    """Keep secrets out of core dumps, of this process and of all that it starts.

    A dump to a file is not made (RLIMIT_CORE); one that a crash handler takes over a pipe, where
    that limit doesn't count (core(5)), has no memory in it. Who needs one to find a bug can raise
    both for a process: prlimit(1), /proc/PID/coredump_filter.
    """
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    with suppress(OSError):
        Path("/proc/self/coredump_filter").write_text("0", "ascii")


def restore_signals() -> None:
    """Take back what a parent has set for its own ends: SIGCHLD ignored, signals blocked.

    Where SIGCHLD is ignored the kernel forgets how a child ended, and Python reads that as success.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """Turn SIGTERM and SIGINT into `StopRequested` until something else installs handlers.

    It covers the time in which the database is awaited: the resources entered so far are left in
    order, and the process exits 0.
    """

    def stop(number: int, _frame: FrameType | None) -> None:
        raise StopRequested(signal.Signals(number).name)

    before = {number: signal.signal(number, stop) for number in _STOPPING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def describe_failure(error: BaseException) -> int:
    """Log what ended the process, once and with its cause, and return the exit code for it."""
    # Every command comes by this module, and few of them log.
    from autogpt_db.logs import release_held
    from autogpt_db.logs.events import starting as log

    if isinstance(error, StopRequested):
        log.stopped(signal=str(error))
        code = EXIT_STOPPED
    elif isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else EXIT_BUG if error.code else 0
    elif isinstance(error, ConfigurationError):
        for problem in error.problems:
            log.configuration_invalid(problem=problem)
        code = error.exit_code
    elif isinstance(error, AutogptDbError):
        log.cannot_go_on(problem=str(error), kind=type(error).__name__)
        code = error.exit_code
    else:
        log.failed(kind=type(error).__name__, exc_info=error)
        code = EXIT_BUG
    if code != EXIT_STOPPED:
        log.exiting(code=code)
    release_held()
    return code
