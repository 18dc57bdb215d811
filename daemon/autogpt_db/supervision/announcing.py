"""What the outside is told of the tree: systemd's READY and STATUS, and the log."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from autogpt_db.listening import address_of
from autogpt_db.logs import format_in_use
from autogpt_db.logs.events import processes as log
from autogpt_db.supervision import clock
from autogpt_db.supervision.kinds import PostgresqlProcess
from autogpt_db.supervision.process import States
from autogpt_db.supervision.programs import Program
from autogpt_db.supervision.systemd import notify, watchdog_interval

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autogpt_db.supervision.process import SupervisedProcess
    from autogpt_db.supervision.process_table import ProcessTable


class Announcer:
    """Tell readiness when every process has reported it, and the state in words when it changes.

    Args:
        table: The processes.
        database: The database and its address, for the words.
    """

    def __init__(self, table: ProcessTable, *, database: str) -> None:
        self._table = table
        self._database = database
        self._started = clock.now()
        self._said = ""
        self._watchdog = watchdog_interval()
        self._fed = 0.0
        self._deaf = False

    def __call__(self) -> None:
        """Say what is new; called at each turn of Supervisor's loop."""
        table = self._table
        begins = (
            not table.served
            and not table.stopping_now
            and all(p.state == States.RUNNING for p in table.processes() if p.awaited)
        )
        if begins:
            table.served = True
        words = self.words()
        if words != self._said:
            self._said = words
            notify(f"STATUS={words}")
        if table.stopping_now:
            return
        if begins:
            notify("READY=1")
            log.serving(
                address=", ".join(address_of(listener) for listener in table.listeners),
                processes=", ".join(p.name for p in table.processes() if p.awaited),
                database=self._database,
                seconds=round(clock.now() - self._started, 3),
            )
            if format_in_use() == "console":
                self._tell_what_to_try()
            table.release_programs()
        deaf = table.hears_nobody(before=self._deaf)
        if deaf and not self._deaf:
            log.children_unheard(reason="no process reports; systemd restarts all of them")
        self._deaf = deaf
        # The loop turns and children are heard; a single one that hangs is replaced.
        due = self._watchdog is not None and clock.now() - self._fed >= self._watchdog
        if due and not deaf:
            self._fed = clock.now()
            notify("WATCHDOG=1")

    def _tell_what_to_try(self) -> None:
        """Tell a person at a terminal that nothing more is to be waited for, and what to try."""
        for listener in self._table.listeners:
            address = address_of(listener)
            if address.startswith("http"):
                log.ready(next=f"curl {address}/health_check, or: autogpt-db status")
                return

    def words(self) -> str:
        """Return the tree's state in a sentence."""
        counts: dict[str, Counter[bool]] = {}
        trouble = []
        work: list[str] = []
        table = self._table
        for process in table.processes():
            running = process.serves
            if isinstance(process, Program) and process.idle_by_design:
                continue
            if not isinstance(process, PostgresqlProcess) or not running:
                counts.setdefault(process.group.config.name, Counter())[running] += 1
            if process.state == States.BACKOFF:
                trouble.append(f"{process.name} failed ({process.last_exit or process.spawnerr})")
            elif process.state in {States.STOPPED, States.FATAL, States.EXITED}:
                trouble.append(f"{process.name} stopped")
            if process.state in {States.STARTING, States.RUNNING}:
                work += process.work
                trouble += [words for words in pool_trouble(process) if words not in trouble]
        tally = ", ".join(f"{count[True]}/{count.total()} {name}" for name, count in counts.items())
        trouble += [
            f"{path.name} is faulty (see the log)" for path in table.options.programs.faults
        ]
        trouble += self._trouble_of_all()
        if self._table.stopping_now:
            return f"stopping: {tally} still running"
        state = "serving" if self._table.served else "starting"
        words = f"{state}: {tally}, {self._database}"
        return "; ".join([words, *work, *trouble])

    def _trouble_of_all(self) -> Iterator[str]:
        """Yield in words what is wrong with no process of its own."""
        missing = (self._table.schema or {}).get("not_served")
        if missing:
            yield f"{missing} methods lack something in the database (see the status)"
        if self._deaf:
            yield "no process reports any more"
        if self._table.notice is not None:
            yield self._table.notice


def pool_trouble(process: SupervisedProcess) -> list[str]:
    """Return what is wrong between a process and the database, by its last heartbeat."""
    pool = process.pool
    found = [str(pool["trouble"])] if pool.get("trouble") else []
    if pool.get("failure") and pool.get("size"):
        share = f"{pool['size']} of its {pool['wanted']} connections"
        found.append(f"{process.name} has {share} ({pool['failure']})")
    elif pool.get("failure"):
        found.append(f"the database cannot be reached ({pool['failure']})")
    if pool.get("room"):
        found.append(str(pool["room"]))
    if process.complaint is not None:
        found.append(f"{process.name} cannot work ({process.complaint})")
    if pool.get("stray"):
        found.append(f"{process.name} is replacing {pool['stray']} connections that went astray")
    return found
