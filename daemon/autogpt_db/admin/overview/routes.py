"""The overview's routes: the page, its stream, and what can be done on it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sse_starlette import ServerSentEvent
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from autogpt_db.admin.history import INTERVAL
from autogpt_db.admin.identity import identity_of
from autogpt_db.admin.overview import actions
from autogpt_db.admin.overview.board import Board
from autogpt_db.admin.overview.loglines import LogLines
from autogpt_db.admin.overview.looks import Looks
from autogpt_db.admin.problems import ProblemError
from autogpt_db.admin.rendering import render
from autogpt_db.admin.streams import EventStream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Any

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from autogpt_db.admin.state import AdminState

MOST_WATCHERS = 32
"""Open overviews; one more gets 503."""


def routes(state: AdminState) -> list[BaseRoute]:
    """Return the overview's routes."""
    looks = Looks(state)
    lines = LogLines(state.settings.paths.runtime)

    async def rates() -> dict[str, Any]:
        return state.history.document()

    board = Board(
        {
            "tree": (looks.tree, 1.0),
            "rates": (rates, INTERVAL / 3),
            "jobs": (looks.jobs, 2.0),
            "database": (looks.database, 5.0),
            "stuck": (looks.stuck, 60.0),
        }
    )

    async def page(request: Request) -> Response:
        session = identity_of(request).session
        csrf = session.csrf if session else ""
        return HTMLResponse(render("overview.html", csrf=csrf, here="overview"))

    async def live(request: Request) -> Response:
        if board.watchers >= MOST_WATCHERS:
            raise ProblemError(
                503,
                "Service Unavailable",
                f"{MOST_WATCHERS} overviews are open already. Close one.",
                headers={"Retry-After": "5"},
            )
        return EventStream(_events(board, lines), identity_of(request), state.streams)

    return [
        Route("/", page, methods=["GET"]),
        Route("/live", live, methods=["GET"]),
        *actions.routes(state, board),
    ]


async def _events(board: Board, lines: LogLines) -> AsyncIterator[ServerSentEvent]:
    """Yield what has changed: of each section the newest, and lines of the log."""
    async with board.watched():
        lines.open()
        section, batch = _Next(board.changes()), _Next(lines.batches())
        try:
            while True:
                await asyncio.wait({section.task, batch.task}, return_when=asyncio.FIRST_COMPLETED)
                if section.task.done():
                    name, document = section.take()
                    yield ServerSentEvent(document, event=name)
                if batch.task.done():
                    yield ServerSentEvent(batch.take(), event="log")
        finally:
            # Nothing is awaited here: who has left is cancelled anew at each await.
            section.task.cancel()
            batch.task.cancel()
            if board.watchers == 1:
                lines.close()


class _Next:
    """The next item of an iterator, asked for ahead."""

    def __init__(self, source: AsyncIterator[Any]) -> None:
        self._source = source
        self.task = self._ask()

    def take(self) -> Any:
        """Return the item that is there, and ask for the one after it."""
        item = self.task.result()
        self.task = self._ask()
        return item

    def _ask(self) -> asyncio.Task[Any]:
        return asyncio.ensure_future(anext(self._source))
