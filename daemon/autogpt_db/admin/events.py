"""`GET /events`: live events for whoever follows, as server-sent events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from autogpt_db.admin.identity import identity_of
from autogpt_db.admin.problems import ProblemError
from autogpt_db.admin.streams import EventStream
from autogpt_db.errors import InvalidValueError
from autogpt_db.live_events.reading import Position, Selection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine
    from typing import Any

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from autogpt_db.admin.identity import Identity
    from autogpt_db.admin.state import AdminState

MOST_READERS = 800
"""Readers at once; others find a connection free beside them."""
LONGEST = 256
"""Characters of an id."""
LAST_ID = "last-event-id"
_CHOICES = {"user": "user_id", "graph": "graph_id", "run": "graph_execution_id"}


def routes(state: AdminState) -> list[BaseRoute]:
    """Return the route."""

    async def events(request: Request) -> EventStream:
        if not state.settings.events.enabled:
            raise ProblemError(
                404,
                "Not Found",
                "No live events are recorded. Set events.enabled = true and restart the service.",
            )
        selection, after = _asked(request)
        following = state.following
        if following.streams >= MOST_READERS:
            raise ProblemError(
                503,
                "Service Unavailable",
                f"{MOST_READERS} readers follow already. Try again later.",
                headers={"Retry-After": "10"},
            )
        following.enter()
        try:
            now = await following.ready()
        except BaseException:
            following.leave()
            raise
        stream = following.stream(selection, after or now)
        return _Stream(stream, identity_of(request), state)

    return [Route("/events", events)]


def tasks(state: AdminState) -> list[Coroutine[Any, Any, None]]:
    """Return what looks at the log as long as somebody follows."""
    return [state.following.follow_forever()] if state.settings.events.enabled else []


class _Stream(EventStream):
    """The answer to one reader, who is counted until its end."""

    def __init__(self, stream: AsyncIterator[bytes], identity: Identity, state: AdminState) -> None:
        self._following = state.following
        super().__init__(stream, identity, state.streams)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Stream, and count it no more when that has ended, however it did."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._following.leave()


def _asked(request: Request) -> tuple[Selection, Position | None]:
    """Return what a reader wants, and up to where it has read.

    Raises:
        ProblemError: Something of it is unknown, given twice, too long or no id.
    """
    given = request.query_params
    for name in given:
        if name not in _CHOICES and name != LAST_ID:
            known = ", ".join([*_CHOICES, LAST_ID])
            raise _refused(f"{name[:LONGEST]}: there is no such parameter; there are {known}.")
        if len(given.getlist(name)) > 1:
            raise _refused(f"{name}: is given more than once.")
        if not 0 < len(given[name]) <= LONGEST:
            raise _refused(f"{name}: must have 1 to {LONGEST} characters.")
    wanted = {_CHOICES[name]: given[name] for name in given if name in _CHOICES}
    if any("\0" in value or "\ufffd" in value for value in wanted.values()):
        raise _refused("No id has the character U+0000 in it, or what isn't UTF-8.")
    # A browser that comes back by itself sends the header; the parameter is for the first time.
    last = request.headers.get(LAST_ID) or given.get(LAST_ID)
    try:
        return Selection(**wanted), None if last is None else Position.of(last, "Last-Event-ID")
    except InvalidValueError as error:
        raise _refused(str(error)) from None


def _refused(detail: str) -> ProblemError:
    return ProblemError(400, "Bad Request", detail)
