"""Style, script and chart library, as they lie in the package; read once, at the start."""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from autogpt_db.admin.state import AdminState

_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
}


def routes(_state: AdminState) -> list[BaseRoute]:
    """Return the route of the files; a name that isn't there is looked for nowhere else."""
    files = {
        file.name: file.read_bytes()
        for file in resources.files("autogpt_db.admin").joinpath("static").iterdir()
        if file.name.rpartition(".")[2] in _TYPES
    }
    tags = {
        name: f'"{hashlib.sha256(content).hexdigest()[:16]}"' for name, content in files.items()
    }

    async def serve(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in files:
            raise HTTPException(404)
        headers = {"ETag": tags[name], "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == tags[name]:
            return Response(status_code=304, headers=headers)
        headers["Content-Type"] = _TYPES[name.rpartition(".")[2]]
        return Response(files[name], headers=headers)

    return [Route("/static/{name}", serve, methods=["GET"])]
