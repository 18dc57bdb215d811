"""Declaring jobs: a decorated async function per file in `jobs/`."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autogpt_db.database.pool import Database

if TYPE_CHECKING:
    from types import ModuleType

JobFunction = Callable[[Database], Awaitable[Mapping[str, Any] | None]]
"""A job's work; what it returns is logged as the fields of its completion."""

TIME_LIMIT = 600.0


@dataclass(frozen=True, slots=True)
class Job:
    """A job as declared.

    Attributes:
        name: The function's name; also the name of the job's own queue.
        function: Does the work, on a handle of this process's pool.
        schedule: The option under `worker` that holds the cron line.
        time_limit: Seconds one attempt may take.
        attempts: How often it is tried before it counts as failed.
    """

    name: str
    function: JobFunction
    schedule: str
    time_limit: float
    attempts: int


_declared: dict[str, Job] = {}


def job(
    *, schedule: str, time_limit: float = TIME_LIMIT, attempts: int = 8
) -> Callable[[JobFunction], JobFunction]:
    """Declare a job.

    A job must be able to run again from the start: one whose process died is started anew.

    Args:
        schedule: The option under `worker` that holds its cron line.
        time_limit: Seconds one attempt may take.
        attempts: How often it is tried, with growing pauses, before it counts as failed.
    """

    def declare(function: JobFunction) -> JobFunction:
        name = function.__name__
        if not inspect.getdoc(function):
            raise TypeError(f"The job {name} needs a docstring: people read it in `jobs list`.")
        known = _declared.get(name)
        if known is not None and known.function.__module__ != function.__module__:
            raise TypeError(
                f"Two files declare the job {name}: {known.function.__module__} and "
                f"{function.__module__}."
            )
        _declared[name] = Job(name, function, schedule, time_limit, attempts)
        return function

    return declare


def discover(package: ModuleType | None = None) -> dict[str, Job]:
    """Import every file of the folder and return the jobs they declare, by name.

    Args:
        package: Another package than `jobs`, for tests.
    """
    if package is None:
        package = importlib.import_module("autogpt_db.worker.jobs")
    modules = {
        importlib.import_module(f"{package.__name__}.{found.name}").__name__
        for found in pkgutil.iter_modules(package.__path__)
    }
    return {
        name: declared
        for name, declared in sorted(_declared.items())
        if declared.function.__module__ in modules
    }
