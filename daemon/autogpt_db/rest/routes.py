"""The routes below `/v1`: each a resource, read through the process's pool."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.routing import Route, Router

from autogpt_db.errors import (
    ArgumentsUnfitError,
    CallError,
    DeadlineExceededError,
    InternalError,
    InvalidValueError,
    SchemaUnreadError,
)
from autogpt_db.logs import REQUEST_ID
from autogpt_db.logs.events import admin as log
from autogpt_db.operations.needed import needed_by
from autogpt_db.rest.beside import LARGE, Beside
from autogpt_db.rest.openapi import describe
from autogpt_db.rest.replies import ALLOWED, document, problem, problem_of
from autogpt_db.rest.requests import (
    LIMIT,
    ParametersInvalidError,
    arguments_of,
    cursor_behind,
    parameters_unfit,
    query_with_cursor,
)
from autogpt_db.rest.resources import load_resources, resource_of, type_of
from autogpt_db.rest.shown import items_of, shown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

    from autogpt_db.database.catalogue import Catalogue
    from autogpt_db.database.needs import Lack
    from autogpt_db.database.pool import Pool
    from autogpt_db.operations import Operation

ROOT = "/v1"
DESCRIPTION = f"{ROOT}/openapi.json"

_NOTHING = b"null"
_encode = msgspec.json.Encoder().encode


def router(
    pool: Pool, *, content: bool, resources: Mapping[str, Operation] | None = None
) -> Router:
    """Return what answers whatever is asked for below `/v1`.

    Who may ask is the listener's to say: here everybody may.

    Args:
        pool: The process's, kept up with the schema (`Pool.keep_up`).
        content: Whether users' content is shown (`admin.show_content`).
        resources: What is served, by path; None stands for all there is.

    Raises:
        RegistrationError: Something cannot be served as it is declared.
    """
    served = load_resources() if resources is None else resources
    present = _Present(pool, served)
    beside = Beside()
    description: list[bytes] = []

    async def openapi(request: Request) -> Response:
        if not description:
            limits = pool.settings.limits
            description.append(_encode(describe(served, content=content, limits=limits)))
        return document(request, description[0])

    async def elsewhere(request: Request) -> Response:
        return problem(
            request,
            HTTPStatus.NOT_FOUND,
            f"There is nothing here. What there is stands in {DESCRIPTION}.",
        )

    found = [Route(DESCRIPTION, _Endpoint(openapi))]
    found += [
        Route(
            f"{ROOT}{path}",
            _Endpoint(_Reading(pool, operation, present, beside, content=content)),
        )
        for path, operation in served.items()
    ]
    # Not a route: a pattern of Starlette's ends at a line's end, and an id may go on behind it.
    return Router(found, redirect_slashes=False, default=_Endpoint(elsewhere))


class _Endpoint:
    """An ASGI application for one path: GET and HEAD, and a problem for everything else.

    Args:
        answer: Answers a request.
    """

    def __init__(self, answer: Callable[[Request], Awaitable[Response]]) -> None:
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        response = await self._replied(request)
        await response(scope, receive, send)

    async def _replied(self, request: Request) -> Response:
        if request.method not in {"GET", "HEAD"}:
            return problem(
                request,
                HTTPStatus.METHOD_NOT_ALLOWED,
                "This is read-only: GET and HEAD are all that it takes.",
                {"allow": ALLOWED},
            )
        try:
            return await self._answer(request)
        except (CallError, ParametersInvalidError) as error:
            return problem_of(request, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the listener lives on
            log.admin_error(path=request.url.path, exc_info=error)
            return problem_of(request, InternalError(REQUEST_ID.get() or "-"))


class _Present:
    """What the database has nothing for, as it is now.

    Args:
        pool: Knows what it has.
        resources: What is served, by path.
    """

    def __init__(self, pool: Pool, resources: Mapping[str, Operation]) -> None:
        self._pool = pool
        self._needed = needed_by({each.name: each for each in resources.values()})
        self._read: Catalogue | None = None
        self._lacks: Mapping[str, tuple[Lack, ...]] = {}

    def lacks(self, name: str) -> tuple[Lack, ...]:
        """Return what an operation lacks.

        Raises:
            SchemaUnreadError: Nobody knows yet.
        """
        catalogue = self._pool.knowledge.catalogue
        if catalogue is None:
            raise SchemaUnreadError
        if catalogue is not self._read:
            self._lacks = self._needed.lacks(catalogue, self._pool.url.schema)
            self._read = catalogue
        return self._lacks.get(name, ())


class _Reading:
    """Reads one resource.

    Args:
        pool: The process's.
        operation: What reads it.
        present: What the database has nothing for.
        beside: Makes large replies.
        content: Whether users' content is shown.
    """

    def __init__(
        self,
        pool: Pool,
        operation: Operation,
        present: _Present,
        beside: Beside,
        *,
        content: bool,
    ) -> None:
        self._pool = pool
        self._operation = operation
        self._present = present
        self._beside = beside
        self._resource = resource_of(operation)
        self._content = content
        self._shown = shown(type_of(operation), content=content)

    async def __call__(self, request: Request) -> Response:
        """Answer one request."""
        operation, resource = self._operation, self._resource
        query = request.scope["query_string"].decode("ascii", "replace")
        if lacks := self._present.lacks(operation.name):
            what = ", ".join(lack.what for lack in lacks)
            return problem(
                request, HTTPStatus.NOT_FOUND, f"This database has nothing of the kind: {what}."
            )
        limits = self._pool.settings.limits
        # Whoever has routed the request here may have named parts of its path, too.
        path = {name: request.path_params[name] for name in resource.placeholders}
        arguments = arguments_of(operation, path, query, limits, content=self._content)
        operation.admit(arguments, self._pool.knowledge.capabilities)
        found = await self._read(arguments)
        if found == _NOTHING:
            return problem(
                request, HTTPStatus.NOT_FOUND, f"There is nothing at {request.url.path}."
            )
        make = partial(self._reply, request, query, found, arguments)
        return make() if len(found) <= LARGE else await self._beside.made(make)

    def _reply(
        self, request: Request, query: str, found: bytes, arguments: Mapping[str, Any]
    ) -> Response:
        """Return what may be seen of what was read."""
        headers: dict[str, str] = {}
        try:
            if self._resource.pages_by:
                found, headers["link"] = self._page(query, found, arguments[LIMIT])
            shown_of_it = _encode(self._shown(found))
        except RecursionError as error:
            raise InvalidValueError(
                "What is stored there nests too deep to be shown; admin.show_content = false "
                "leaves it out."
            ) from error
        return document(request, shown_of_it, headers)

    async def _read(self, arguments: dict[str, Any]) -> bytes:
        operation = self._operation
        seconds = self._pool.settings.api.request_deadline
        call = self._pool.call(
            operation.name, reads=True, deadline=time.monotonic() + seconds, heavy=operation.heavy
        )
        try:
            async with asyncio.timeout(seconds):
                return await operation.call(call, arguments)
        except ArgumentsUnfitError as error:
            raise parameters_unfit(operation, error) from error
        except TimeoutError as error:
            call.abandon()
            raise DeadlineExceededError(
                f"The database has not answered within {seconds:g} seconds (api.request_deadline)."
            ) from error

    def _page(self, query: str, found: bytes, limit: int) -> tuple[bytes, str]:
        """Return a page's documents, and the links to other pages (RFC 8288).

        They are relative to what was asked for, for a proxy may know the list by another path; and
        each has a query, for where a link has none it would stay as it was.

        Args:
            query: What was asked for.
            found: The documents, and one more where more follow.
            limit: How many were asked for.
        """
        links = {"first": query_with_cursor(query, None) or urlencode({LIMIT: limit})}
        documents = items_of(found)
        if len(documents) > limit:
            documents = documents[:limit]
            found = _encode(documents)
            cursor = cursor_behind(documents[-1], self._resource.pages_by)
            links["next"] = query_with_cursor(query, cursor)
        written = [f'<?{other}>; rel="{relation}"' for relation, other in links.items()]
        return found, ", ".join(written)
