"""What the overview lets people do: with jobs, what `autogpt-db jobs` does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import psycopg
from starlette.responses import JSONResponse
from starlette.routing import Route

from autogpt_db.admin.problems import ProblemError
from autogpt_db.admin.state import PATIENCE
from autogpt_db.database import hosts
from autogpt_db.database.bounded import answered_within
from autogpt_db.database.url import direct_database_url
from autogpt_db.logs.events import admin as log
from autogpt_db.worker.administration import Administration
from autogpt_db.worker.registry import discover

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from autogpt_db.admin.overview.board import Board
    from autogpt_db.admin.state import AdminState

Done = TypeVar("Done")
LONGEST = 2 * PATIENCE
"""Seconds after which a connection is cut that has not done it."""
_NUMBERS = 2**63


def routes(state: AdminState, board: Board) -> list[BaseRoute]:
    """Return the routes of the actions."""
    actions = Actions(state, board)
    return [
        Route("/jobs/{job}/run", actions.run, methods=["POST"]),
        Route("/jobs/{job}/pause", actions.pause, methods=["POST"]),
        Route("/jobs/{job}/resume", actions.resume, methods=["POST"]),
        Route("/failed/{number:int}/requeue", actions.requeue, methods=["POST"]),
    ]


class Actions:
    """What can be done; one at a time.

    Args:
        state: The process's.
        board: What shows it.
    """

    def __init__(self, state: AdminState, board: Board) -> None:
        self._settings = state.settings
        self._board = board
        self._jobs = discover()
        self._turn = asyncio.Semaphore(1)

    async def run(self, request: Request) -> Response:
        """Ask for a run of a job now."""
        name = self._known(request)
        number, new = await self._administer(lambda queue: queue.run(name))
        return _done("run", name, f"{name} is queued{'' if new else ' already'}: number {number}.")

    async def pause(self, request: Request) -> Response:
        """Start no more runs of a job."""
        name = self._known(request)
        new = await self._administer(lambda queue: queue.pause(name))
        return _done("pause", name, f"{name} is paused{'' if new else ' already'}.")

    async def resume(self, request: Request) -> Response:
        """Start a job's runs again."""
        name = self._known(request)
        was = await self._administer(lambda queue: queue.resume(name))
        return _done("resume", name, f"{name} runs again." if was else f"{name} was not paused.")

    async def requeue(self, request: Request) -> Response:
        """Give a failed job all its attempts again."""
        number = request.path_params["number"]
        if not 0 < number < _NUMBERS:
            raise ProblemError(404, "Not Found", "There is no such number.")
        if not await self._administer(lambda queue: queue.requeue([number])):
            raise ProblemError(
                409,
                "Conflict",
                f"Number {number} has not failed, or another run of the same job waits already.",
            )
        return _done("requeue", str(number), f"Number {number} is queued again.")

    def _known(self, request: Request) -> str:
        name = str(request.path_params["job"])
        if name not in self._jobs:
            raise ProblemError(404, "Not Found", "There is no such job.")
        return name

    async def _administer(self, action: Callable[[Administration], Done]) -> Done:
        """Do it on a connection of its own, as the command does."""
        settings = self._settings
        conninfo = direct_database_url(settings).conninfo(
            connect_timeout=settings.database.connect_timeout,
            application_name="autogpt-db admin",
            statement_timeout=str(int(PATIENCE * 1000)),
        )

        def work() -> Done:
            # A transaction pooler takes no timeout of ours, and nobody else may act meanwhile.
            with hosts.connect(conninfo) as connection, answered_within(LONGEST, connection):
                return action(Administration(connection, self._jobs))

        try:
            async with self._turn:
                return await asyncio.to_thread(work)
        except psycopg.Error:
            raise ProblemError(
                503,
                "Service Unavailable",
                "The database does not take it now. Look at the list, and try again shortly.",
                headers={"Retry-After": "2"},
            ) from None
        finally:
            self._board.hurry("jobs")


def _done(action: str, target: str, message: str) -> Response:
    log.admin_action(action=action, target=target)
    return JSONResponse({"message": message})
