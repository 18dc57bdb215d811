"""Which routes the admin listener has, and what goes on in it beside them.

A module adds its routes by a function `routes(state)`, which is called here once: a list of
Starlette's routes. Each is behind the guard, without doing anything for it: a GET needs a token
that may read, everything else one that may act. `identity_of(request)` says who asks. A route
refuses by raising `ProblemError`, and a `CallError` of the database's is answered by its own
status; both are problem+json. What streams is an `EventStream`, which ends with the listener.

What a module does all the time, it does in coroutines that its `tasks(state)` returns; they end
when they are cancelled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from autogpt_db.admin import events, login, overview, probes, rest, runs, static_files
from autogpt_db.admin.guard import Guard
from autogpt_db.admin.problems import (
    ProblemError,
    on_bug,
    on_call_error,
    on_http_exception,
    on_problem,
)
from autogpt_db.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from starlette.routing import BaseRoute

    from autogpt_db.admin.state import AdminState


def all_routes(state: AdminState) -> list[BaseRoute]:
    """Return every route; a module's stand in a line of their own."""
    return [
        *probes.routes(state),
        *login.routes(state),
        *static_files.routes(state),
        *overview.routes(state),
        *rest.routes(state),
        *runs.routes(state),
        *events.routes(state),
    ]


def all_tasks(state: AdminState) -> list[Coroutine[Any, Any, None]]:
    """Return what goes on from the start to the stop; a module's stand in a line of their own."""
    return [
        state.history.keep(state.settings.paths.runtime),
        state.streams.look_forever(),
        state.tokens.look_forever(),
        *events.tasks(state),
    ]


def build_app(state: AdminState) -> Guard:
    """Return the application, behind its guard."""
    app = Starlette(
        routes=all_routes(state),
        exception_handlers={
            HTTPException: on_http_exception,
            ProblemError: on_problem,
            CallError: on_call_error,
            Exception: on_bug,
        },
    )
    app.router.redirect_slashes = False
    return Guard(app, state)
