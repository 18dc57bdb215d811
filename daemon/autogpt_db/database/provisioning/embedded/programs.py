"""PostgreSQL's programs: started, waited for, and ended with all that they have started."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_PR_SET_PDEATHSIG = 1
_STOPPING = (signal.SIGTERM, signal.SIGINT)
_END = 30.0
"""Seconds that a program gets to end when it is told to; then it is killed."""
_libc = ctypes.CDLL(None)


class Account(NamedTuple):
    """An unprivileged account.

    Attributes:
        name: As in the account database, or the number where it has no entry.
        user_id: Its user.
        group_id: Its only group.
    """

    name: str
    user_id: int
    group_id: int


@contextmanager
def signals_held() -> Iterator[Callable[[], None]]:
    """Hold stop signals back until what is yielded is called.

    Between a program's start and the moment in which somebody has it in hand, a signal would leave
    it behind.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)

    def let_through() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    try:
        yield let_through
    finally:
        let_through()


def start_process(
    command: Sequence[str],
    account: Account | None,
    *,
    death_signal: signal.Signals,
    **options: Any,
) -> subprocess.Popen[bytes]:
    """Start a program under `account`, to get `death_signal` when this process dies.

    Call it in the main thread: the kernel sends the signal when the thread that forked ends. And
    with signals held, until the program is in good hands.

    Raises:
        OSError: It cannot be started.
    """
    parent = os.getpid()

    def tie() -> None:
        # After the change of account, which clears it.
        _libc.prctl(_PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != parent:
            os._exit(1)  # the parent died before the signal was armed
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)

    if account is not None:
        options |= {
            "user": account.user_id,
            "group": account.group_id,
            "extra_groups": [account.group_id],
        }
    return subprocess.Popen(
        command,
        preexec_fn=tie,  # noqa: PLW1509 - main has no thread when it forks (architecture, rule 3)
        **options,
    )


@contextmanager
def running(
    command: Sequence[str],
    account: Account | None,
    *,
    cwd: Path | str | None = None,
    **streams: Any,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program in a group of its own; whoever is left by an exception ends the group.

    A program forks, as pg_basebackup does for the log's stream: nothing of it may go on writing
    where somebody tidies up.

    Args:
        command: Its command line.
        account: Whom to run it as; None: ourselves.
        cwd: Its working directory; None: the root.
        streams: stdin, stdout and stderr, as subprocess takes them.

    Raises:
        OSError: It cannot be started.
    """
    with signals_held() as let_through:
        process = start_process(
            command,
            account,
            death_signal=signal.SIGTERM,
            cwd=cwd or "/",
            env=environment(),
            process_group=0,
            **streams,
        )
        with process:
            try:
                let_through()
                yield process
            except BaseException:
                _end_group(process)
                raise


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End a program and what it has forked: until then they have its output open."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + _END
    with suppress(subprocess.TimeoutExpired):
        process.wait(_END)
    if process.stdout is not None:
        output = process.stdout.fileno()
        while (left := deadline - time.monotonic()) > 0:
            if select.select([output], [], [], left)[0] and not os.read(output, 65536):
                return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def run(
    command: Sequence[str],
    account: Account | None,
    *,
    text: str = "",
    cwd: Path | None = None,
    seconds: float = 300,
) -> tuple[int, str, str]:
    """Run a program under `account` and return its exit code, output and errors.

    Raises:
        OSError: It cannot be started.
        subprocess.TimeoutExpired: It took longer than `seconds`; it has been ended.
    """
    pipe = subprocess.PIPE
    with running(command, account, cwd=cwd, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        output, errors = process.communicate(text.encode(), seconds)
    return process.returncode, output.decode("utf-8", "replace"), errors.decode("utf-8", "replace")


def environment() -> dict[str, str]:
    """Return what PostgreSQL's programs see: nothing that a PG… variable of ours could bend."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
