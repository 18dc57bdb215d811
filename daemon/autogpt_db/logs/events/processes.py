"""Processes.

Told by main; `child` names the process.
"""

from __future__ import annotations

from logging import CRITICAL, DEBUG, ERROR, INFO, WARNING

from autogpt_db.logs.declaration import Entry, event


@event(INFO)
def process_started(*, child: str, pid: int) -> None:
    """A process was started."""


@event(INFO)
def process_ready(*, child: str, pid: int, seconds: float) -> None:
    """It reported ready, so long after its start."""


@event(INFO)
def serving(*, address: str, processes: str, database: str, seconds: float) -> None:
    """All are ready for the first time: systemd is told READY."""


@event(INFO)
def ready(*, next: str) -> None:
    """On a terminal, after `serving`: what to try in another shell."""


@event(
    WARNING,
    counter="process_exits_total",
    entry=Entry("6d0e7c1f3f0b4f0d9a3a5b0d1c5c7a06", "The process @CHILD@ ended unasked"),
)
def process_exited(
    *,
    child: str,
    pid: int,
    how: str,
    code: int | None,
    served_seconds: float,
    again_in_seconds: float | None,
) -> None:
    """It ended unasked; it is started again after the pause, unless its program says otherwise
    (`autorestart`).

    It ended with: @HOW@. It is started again by itself, at once the first time and then with
    growing pauses; other processes go on serving. Now and then this needs nobody. Again and again,
    the records of the process itself tell why:
    `journalctl -u autogpt-db AUTOGPT_DB_PROCESS=@CHILD@`. A SIGKILL that nobody sent is the
    kernel's, out of memory: compare MemoryMax= and `systemctl status`.
    """


@event(INFO, counter="process_exits_total")
def process_stopped(*, child: str, pid: int, how: str) -> None:
    """It ended because it was asked to."""


@event(
    ERROR,
    entry=Entry("6d0e7c1f3f0b4f0d9a3a5b0d1c5c7a07", "The process @CHILD@ hung and was replaced"),
)
def process_replaced(*, child: str, pid: int, reason: str) -> None:
    """It hung, or didn't get ready: killed, to be started again.

    @REASON@. Another process took its place. When it comes back, the machine is overloaded, or a
    bug blocks the process: raise supervision.heartbeat_timeout for the first, report the second.
    """


@event(ERROR)
def children_unheard(*, reason: str) -> None:
    """No process has reported for `heartbeat_timeout` and `ready_timeout` together: main doesn't
    feed systemd's watchdog any more, and is restarted.

    Look at the machine: out of memory, or stopped for minutes.
    """


@event(ERROR)
def process_not_started(*, child: str, reason: str) -> None:
    """Its program could not be started; tried again.

    `reason` is the system's: no such file, no right, no memory.
    """


@event(INFO, DEBUG, WARNING, ERROR, CRITICAL)
def output(*, process: str, line: str) -> None:
    """A line that a process wrote which knows no events: PostgreSQL, and the programs of
    programs.d. `process` names it; in the journal it stands as if the process had written it itself
    (`journalctl -t executor`), in the urgency of its `<4>` prefix, if it has one.

    What it means, its program's own documentation says.
    """


@event(INFO)
def stopping(*, signal: str) -> None:
    """The first signal to stop: requests are drained."""


@event(WARNING)
def stop_hastened(*, signal: str) -> None:
    """A further signal to stop: running requests are ended.

    Where it was systemd's, the stop took longer than TimeoutStopSec=: raise that, or lower
    `api.drain_timeout` and `worker.stop_timeout`.
    """


@event(INFO)
def reloading() -> None:
    """SIGHUP: settings are read anew."""


@event(INFO)
def reloaded() -> None:
    """Every process runs with the new settings."""


@event(
    ERROR,
    entry=Entry(
        "6d0e7c1f3f0b4f0d9a3a5b0d1c5c7a08",
        "The new settings are refused, the old ones stay",
        "autogpt-db.toml(5)",
    ),
)
def reload_refused(*, reason: str) -> None:
    """The new settings are invalid; the old ones stay.

    The service goes on with the settings before. The records around this one name each fault
    (EVENT=configuration_invalid). Correct them, then `systemctl reload autogpt-db`. Where a
    credential has changed, nothing is wrong: `systemctl restart autogpt-db` takes it, a reload
    cannot.
    """


@event(
    ERROR,
    entry=Entry("6d0e7c1f3f0b4f0d9a3a5b0d1c5c7a09", "A reload stopped at the process @CHILD@"),
)
def reload_stopped(*, child: str, reason: str) -> None:
    """The first process with the new settings keeps failing; the others were left alone.

    @REASON@. The other processes serve with the old settings, and this one is tried again for ever.
    Its own records say why it fails: `journalctl -u autogpt-db AUTOGPT_DB_PROCESS=@CHILD@`. Correct
    the settings, then `systemctl reload autogpt-db`.
    """


@event(
    ERROR,
    entry=Entry(
        "6d0e7c1f3f0b4f0d9a3a5b0d1c5c7a11",
        "A file of programs.d is faulty and left out",
        "autogpt-db.toml(5)",
    ),
)
def program_refused(*, file: str, reason: str) -> None:
    """A file of programs.d is faulty and left out; what ran of it runs on.

    @FILE@: @REASON@

    The service itself is not touched by it. Programs of this file that ran before a reload run on
    as they were. Correct the file, then `systemctl reload autogpt-db`.
    """


@event(INFO)
def program_added(*, child: str) -> None:
    """A reload found a new program in programs.d, and starts it."""


@event(INFO)
def program_changed(*, child: str) -> None:
    """A reload found a changed program, and restarts it."""


@event(INFO)
def program_removed(*, child: str) -> None:
    """A reload no longer found a program, and stops it."""


@event(WARNING)
def address_not_used(*, options: str, address: str, remedy: str) -> None:
    """The options api.host or api.port are set, and systemd's socket unit decides where the service
    listens.
    """


@event(WARNING)
def restart_needed(*, option: str, reason: str) -> None:
    """A changed option that a reload cannot put into effect; the rest is, and `ctl reload --wait`
    ends with 78.

    `systemctl restart autogpt-db`, when it suits.
    """
