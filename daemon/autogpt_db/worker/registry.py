"""Declaring jobs: a decorated async function per file in `jobs/`.

Its schedule stands there as well; `make reference` makes an option of it (settings/schedules.py).
"""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import sys
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from autogpt_db.database.capabilities import ForSchema
from autogpt_db.database.needs import Needs
from autogpt_db.signatures.declaration import WITHOUT_DOCSTRINGS, RegistrationError
from autogpt_db.signatures.tables import needs_of
from autogpt_db.worker.handle import JobDatabase

if TYPE_CHECKING:
    from types import ModuleType

    from autogpt_db.database.capabilities import Capabilities
    from autogpt_db.database.needs import Lack
    from autogpt_db.database.pool.knowledge import Knowledge

JobFunction = Callable[[JobDatabase], Awaitable[Mapping[str, Any] | None]]
"""A job's work; what it returns is logged as the fields of its completion, and kept."""

EXTRA_MODULES = "AUTOGPT_DB_TEST_JOBS"
"""Environment: further modules with jobs, separated by commas; the tests' own."""
TIME_LIMIT = 600.0
STATEMENT_LIMIT = 60.0
_NO_VIEWS: ForSchema[Collection[str]] = ForSchema(lambda _capabilities: ())


class Schedule(NamedTuple):
    """When a job runs, unless an operator says otherwise.

    Attributes:
        option: The option under `worker` that holds the cron line in effect.
        cron: Its default.
        when: What is done then, to be read after "When": `expired OAuth tokens are deleted`.
    """

    option: str
    cron: str
    when: str


@dataclass(frozen=True, slots=True)
class Job:
    """A job as declared.

    Attributes:
        name: The function's name; also the name of the job's own queue.
        function: Does the work, on a handle of its own run.
        schedule: When it runs; None for a job that only runs on demand.
        time_limit: Seconds one attempt may take.
        attempts: How often it is tried before it counts as failed.
        atomic: Whether all it writes is one transaction, which also ends the run: then no death
            at any moment makes it write twice.
        statement_limit: Seconds that one of its statements may take in the server.
        spares: Tables of AutoGPT's that it does without where they are missing.
        refreshes: Materialized views that it refreshes, in a database that has them.
    """

    name: str
    function: JobFunction
    schedule: Schedule | None
    time_limit: float = TIME_LIMIT
    attempts: int = 8
    atomic: bool = False
    statement_limit: float = STATEMENT_LIMIT
    spares: frozenset[str] = frozenset()
    refreshes: ForSchema[Collection[str]] = _NO_VIEWS

    def needs(self, capabilities: Capabilities) -> Needs:
        """Return what its statements need of AutoGPT's schema.

        Args:
            capabilities: What the database has.
        """
        found = needs_of(self.function, capabilities) | Needs(
            refreshed=frozenset(self.refreshes(capabilities))
        )
        return found.without(self.spares)

    def lacks(self, knowledge: Knowledge, schema_name: str) -> tuple[Lack, ...]:
        """Return what it needs and the database lacks; nothing where that isn't known.

        Args:
            knowledge: What is known of the schema.
            schema_name: Its name.
        """
        if knowledge.catalogue is None or knowledge.capabilities is None:
            return ()
        return self.needs(knowledge.capabilities).lacks(knowledge.catalogue, schema_name)

    @property
    def option(self) -> str | None:
        """Return the name of the option that says when it runs: `worker.watch_schedule`."""
        return None if self.schedule is None else f"worker.{self.schedule.option}"

    @property
    def summary(self) -> str:
        """Return the first line of what it says of itself."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]


_declared: dict[str, Job] = {}


def job(
    *,
    schedule: str | None,
    when: str = "",
    option: str | None = None,
    time_limit: float = TIME_LIMIT,
    attempts: int = 8,
    atomic: bool = False,
    statement_limit: float = STATEMENT_LIMIT,
    spares: Collection[str] = (),
    refreshes: Collection[str] | ForSchema[Collection[str]] = (),
) -> Callable[[JobFunction], JobFunction]:
    """Declare a job.

    A job must be able to run again from the start: one whose process died is started anew. What
    it has committed by then stays; with `atomic` that is nothing.

    Args:
        schedule: The cron line, in UTC, by which it runs where an operator says nothing else; None
            for a job that only runs on demand. `make reference` makes an option of it.
        when: What is done then, to be read after "When": `expired OAuth tokens are deleted`.
        option: The option's name under `worker`, if it isn't the job's with `_schedule`.
        time_limit: Seconds one attempt may take.
        attempts: How often it is tried, with growing pauses, before it counts as failed. A worker
            that dies during one has spent it; one that stops in good order has not.
        atomic: Run it as one transaction, which also ends the run.
        statement_limit: Seconds that one of its statements may take in the server.
        spares: Tables of AutoGPT's that it does without where they are missing.
        refreshes: Materialized views that it refreshes: that takes their ownership, or MAINTAIN.
            Where they depend on what a database has, a `ForSchema`.
    """
    views = refreshes if isinstance(refreshes, ForSchema) else ForSchema(lambda _fit: refreshes)

    def declare(function: JobFunction) -> JobFunction:
        name = function.__name__
        if not inspect.getdoc(function) and sys.flags.optimize < WITHOUT_DOCSTRINGS:
            raise RegistrationError(
                f"The job {name} needs a docstring: people read it in `jobs list`."
            )
        known = _declared.get(name)
        if known is not None and known.function.__module__ != function.__module__:
            raise RegistrationError(
                f"Two files declare the job {name}: {known.function.__module__} and "
                f"{function.__module__}."
            )
        if schedule is not None and not when:
            raise RegistrationError(
                f"The job {name} needs `when`: what is done then, for its option's help."
            )
        declared = (
            None if schedule is None else Schedule(option or f"{name}_schedule", schedule, when)
        )
        _declared[name] = Job(
            name,
            function,
            declared,
            time_limit,
            attempts,
            atomic,
            statement_limit,
            frozenset(spares),
            views,
        )
        return function

    return declare


def discover(package: ModuleType | None = None) -> dict[str, Job]:
    """Import every file of the folder and return the jobs they declare, by name.

    Args:
        package: Another package than `jobs`, for tests.
    """
    extra = os.environ.get(EXTRA_MODULES, "") if package is None else ""
    if package is None:
        package = importlib.import_module("autogpt_db.worker.jobs")
    names = [f"{package.__name__}.{found.name}" for found in pkgutil.iter_modules(package.__path__)]
    names += filter(None, extra.split(","))
    modules = {importlib.import_module(name).__name__ for name in names}
    return {
        name: declared
        for name, declared in sorted(_declared.items())
        if declared.function.__module__ in modules
    }
