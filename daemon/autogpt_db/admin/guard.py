"""Who may use the admin listener: every request passes here, and no route can forget to ask.

A path is open only if it stands in `OPEN`. Every other one needs a token or a browser's session, to
read; and to do anything else than read, one that may act, and from a browser the proof that the
page which acts is one of ours.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse

from autogpt_db.admin.hosts import AllowedHosts
from autogpt_db.admin.identity import Identity, Scope
from autogpt_db.admin.problems import ProblemError, is_page, on_bug, unauthorized
from autogpt_db.admin.refusals import HEADERS
from autogpt_db.admin.sessions import COOKIE
from autogpt_db.errors import AutogptDbError
from autogpt_db.logs.events import admin as log

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Send
    from starlette.types import Scope as AsgiScope

    from autogpt_db.admin.state import AdminState

OPEN = frozenset({"/healthz", "/readyz", "/metrics", "/login"})
"""Paths that ask for no token; `/metrics` has a rule of its own."""
OPEN_BELOW = ("/static/",)
"""What begins like this asks for none either."""
CSRF_HEADER = "x-csrf-token"
"""What a page of ours sends along with an action: the value of `<meta name="csrf">`."""
_READING = frozenset({"GET", "HEAD"})


class Guard:
    """Let requests through to an application, or refuse them.

    Args:
        app: Answers those that are let through; their scope has `identity`.
        state: Tokens, sessions and settings.
    """

    def __init__(self, app: ASGIApp, state: AdminState) -> None:
        self._app = app
        self._state = state
        self._hosts = AllowedHosts(state.settings.admin)

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        assert scope["type"] == "http", "there is neither a lifespan nor a WebSocket"
        begun = False

        async def send_guarded(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        request = Request(scope, receive)
        try:
            scope["identity"] = await self._admit(request)
            await self._app(scope, receive, send_guarded)
        except ProblemError as refusal:
            answer = refusal.response(request)
            if refusal.status == HTTPStatus.UNAUTHORIZED and is_page(request):
                answer = RedirectResponse("/login", 303)
            await answer(scope, receive, send_guarded)
        except Exception as error:  # noqa: BLE001 - whatever it is, the process lives on
            if not begun:
                await (await on_bug(request, error))(scope, receive, send_guarded)
            elif _is_bug(error):
                log.admin_error(path=request.url.path, exc_info=error)

    async def _admit(self, request: Request) -> Identity | None:
        """Return who has sent a request; None where the path is open to everybody.

        Raises:
            ProblemError: It is refused.
        """
        self._hosts.verify(request)
        acts = request.method not in _READING
        if acts or COOKIE in request.cookies:
            _verify_origin(request)
        path = request.scope["path"]
        if path in OPEN or path.startswith(OPEN_BELOW):
            return None
        identity = await self._identify(request)
        if acts and identity.scope is not Scope.ACT:
            raise ProblemError(
                403, "Forbidden", "This token may only read. The other one may do this."
            )
        session = identity.session
        if acts and session is not None and not session.proves(request.headers.get(CSRF_HEADER)):
            raise ProblemError(
                403, "Forbidden", "The page is from another session. Load it again, and repeat."
            )
        return identity

    async def _identify(self, request: Request) -> Identity:
        tokens, sessions = self._state.tokens, self._state.sessions
        given = request.headers.get("authorization")
        if given is not None:
            scheme, _, token = given.partition(" ")
            token = token.strip()
            scope = tokens.scope_of(token) if scheme.lower() == "bearer" else None
            if scope is not None:
                return Identity(scope, lambda: tokens.scope_of(token) is scope)
            raise await self.refuse("token")
        cookie = request.cookies.get(COOKIE)
        if cookie is None:
            raise unauthorized("Send a token, or open the page with: autogpt-db admin open")
        tokens.look()  # a session ends with the token that it was opened by
        session = sessions.find(cookie)
        if session is None:
            raise await self.refuse("session")

        def holds() -> bool:
            tokens.look()
            return sessions.find(cookie) is session

        return Identity(Scope.ACT, holds, session)

    async def refuse(self, what: str) -> ProblemError:
        """Return the refusal of a wrong token, session or ticket, after a while."""
        await self._state.brake.failed()
        log.admin_refused(reason=f"wrong {what}")
        return unauthorized(f"That {what} is not, or no longer, good.")


def _is_bug(error: Exception) -> bool:
    """Tell whether neither its reader nor the database has ended an answer that was under way."""
    parts = error.exceptions if isinstance(error, ExceptionGroup) else (error,)
    return not all(isinstance(each, AutogptDbError | ClientDisconnect | OSError) for each in parts)


def _verify_origin(request: Request) -> None:
    """Refuse what a page of another site, or of another port of this machine, has sent.

    The cookie alone would not tell: to SameSite all ports of a host are one site.
    """
    headers = request.headers
    navigates = request.method in _READING and headers.get("sec-fetch-mode") == "navigate"
    site = headers.get("sec-fetch-site", "same-origin")
    foreign = site not in {"same-origin", "none"} and not navigates
    origin = headers.get("origin")
    if origin is not None and request.method not in _READING:
        foreign = foreign or _place_of(origin) != headers.get("host", "").lower()
    if foreign:
        raise ProblemError(403, "Forbidden", "The request comes from a page of another site.")


def _place_of(origin: str) -> str | None:
    """Return host and port of an Origin header; None where it is no origin."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None
