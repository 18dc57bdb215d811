"""The pages of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from autogpt_db.admin.identity import identity_of
from autogpt_db.admin.problems import ProblemError
from autogpt_db.admin.rendering import render
from autogpt_db.admin.runs import statements
from autogpt_db.admin.runs.filters import DAYS, LONGEST_ID, STATUSES, Filters
from autogpt_db.admin.runs.timeline import ENDED, draw

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from autogpt_db.admin.state import AdminState


def routes(state: AdminState) -> list[BaseRoute]:
    """Return the routes of the runs."""
    shows_content = state.settings.admin.show_content

    async def list_runs(request: Request) -> Response:
        filters = Filters.of(request.query_params)
        parameters = filters.parameters(content=shows_content)
        document = await state.call("runs").json(filters.statement, parameters)
        runs = msgspec.json.decode(document or b"[]")
        shown = runs[: statements.PAGE_SIZE]
        more = filters.after(shown[-1]) if len(runs) > len(shown) else None
        return _page(
            request,
            "runs.html",
            runs=shown,
            more=more,
            filters=filters,
            statuses=STATUSES,
            days=DAYS,
        )

    async def show_run(request: Request) -> Response:
        given = str(request.path_params["id"])
        run = None
        if len(given) <= LONGEST_ID and "\0" not in given:
            wanted = {"id": given, "nodes": statements.MOST_NODES, "content": shows_content}
            document = await state.call("run").json(statements.RUN, wanted)
            run = None if document is None else msgspec.json.decode(document)
        if run is None:
            raise ProblemError(404, "Not Found", "There is no such run.")
        return _page(
            request,
            "run.html",
            run=run,
            timeline=draw(run),
            live=run["status"] not in ENDED,
            content=await _content(given),
        )

    async def _content(run: str) -> dict[str, list[dict[str, Any]]] | None:
        if not shows_content:
            return None
        wanted = {
            "id": run,
            "values": statements.MOST_VALUES,
            "length": statements.LONGEST_VALUE,
        }
        document = await state.call("run content").json(statements.CONTENT, wanted)
        by_node: dict[str, list[dict[str, Any]]] = {}
        for value in msgspec.json.decode(document or b"[]"):
            by_node.setdefault(value["node"], []).append(value)
        return by_node

    return [
        Route("/runs", list_runs, methods=["GET"]),
        Route("/runs/{id}", show_run, methods=["GET"]),
    ]


def _page(request: Request, template: str, **values: Any) -> Response:
    session = identity_of(request).session
    csrf = session.csrf if session else ""
    return HTMLResponse(render(template, csrf=csrf, here="runs", **values))
