"""Calls of methods that we lack, passed on to AutoGPT's own DatabaseManager.

Requests and answers are streamed, so a call costs the same memory whatever its size. Only a process
whose `api.fallback_url` is set imports this module, and httpx with it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import httpx

from autogpt_db.api.tracing import passing_on
from autogpt_db.api.unknown import PASSED_ON, Names
from autogpt_db.errors import FallbackUnavailableError
from autogpt_db.logs.events import api as log
from autogpt_db.metrics import families

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from autogpt_db.api.calls import Call
    from autogpt_db.metrics import Store
    from autogpt_db.settings.api import ApiSettings
    from autogpt_db.spans import Span

CONNECT_TIMEOUT = 5.0
"""Most seconds to wait for a connection."""
IDLE_CONNECTION = 4.0
"""Seconds that an idle connection is kept: AutoGPT's server closes its side after 5."""
RETRY_AFTER = 2.0
"""Seconds after which a caller should ask again when AutoGPT's service does not answer."""

# They belong to one connection, not to the request (RFC 9110 §7.6.1). `expect` was answered here.
_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"expect",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
_OUR_OWN = frozenset({b"host", b"x-request-id", PASSED_ON})
_OF_THE_TRACE = frozenset({b"traceparent", b"tracestate"})
_SET_BY_THE_SERVER = frozenset({b"date", b"server", b"x-request-id"})

Header = tuple[bytes, bytes]


class Fallback:
    """Passes calls on.

    Attributes:
        calls: How many were passed on, by method; names beyond a bound count as one.
    """

    def __init__(self, api: ApiSettings, store: Store) -> None:
        """Make the client.

        Args:
            api: Where AutoGPT's service is, and the bounds.
            store: Where calls are counted.
        """
        assert api.fallback_url is not None
        self.calls: Counter[str] = Counter()
        self._store = store
        self._url = api.fallback_url.rstrip("/")
        self._address = urlsplit(api.fallback_url).netloc
        self._timeout = api.fallback_timeout
        self._most = api.fallback_concurrency
        self._hides_token = api.token is not None
        self._running = 0
        self._names = Names()
        self._client = httpx.AsyncClient(
            # The whole exchange has a deadline: a second clock, for its parts, would tell less.
            timeout=httpx.Timeout(None, connect=min(CONNECT_TIMEOUT, self._timeout)),
            limits=httpx.Limits(
                max_connections=self._most,
                max_keepalive_connections=self._most,
                keepalive_expiry=IDLE_CONNECTION,
            ),
            trust_env=False,  # a proxy for the world is none for AutoGPT's own containers
        )

    async def __aenter__(self) -> Self:
        """Serve."""
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Close the connections, and tell what was passed on."""
        await self._client.aclose()
        if self.calls:
            log.calls_passed_on(methods=dict(self.calls.most_common()))

    async def pass_on(self, call: Call, name: str, body: AsyncIterator[bytes]) -> None:
        """Send a call to AutoGPT's service and its answer back.

        Args:
            call: The request; replied to when this returns.
            name: The method.
            body: Its body, piece by piece.

        Raises:
            FallbackUnavailableError: There is no answer.
            CallError: The request's body is refused.
        """
        if self._running >= self._most:
            raise FallbackUnavailableError(
                f"{self._most} calls are being passed on already (api.fallback_concurrency).",
                retry_after=RETRY_AFTER,
            )
        self._count(call, name)
        call.passes_on(self._timeout)
        self._running += 1
        try:
            with passing_on(call.span, call.name, self._address) as part:
                request = httpx.Request(
                    "POST", f"{self._url}/{name}", headers=self._request_headers(call, part),
                    content=body,
                )  # fmt: skip
                await self._exchange(call, request, part)
        except (httpx.TransportError, TimeoutError) as error:
            self._failed(call, name, error)
        finally:
            self._running -= 1

    async def _exchange(self, call: Call, request: httpx.Request, part: Span | None) -> None:
        async with asyncio.timeout(self._timeout):
            answer = await self._client.send(request, stream=True)
            if part is not None:
                part.attributes["http.response.status_code"] = answer.status_code
                part.failed = answer.is_error
            try:
                await self._answer(call, answer)
            finally:
                await answer.aclose()

    def _count(self, call: Call, name: str) -> None:
        if self._names.add(name):
            log.method_passed_on(method=name)
        # Sums in the log and figures are kept by name: the names have to be few.
        call.name = self._names.bounded(name)
        self.calls[call.name] += 1
        self._store.add(families.PASSED_ON, 1, call.name)

    def _request_headers(self, call: Call, part: Span | None) -> list[Header]:
        ours = _OUR_OWN if part is None else _OUR_OWN | _OF_THE_TRACE
        kept = [
            (name, value)
            for name, value in _end_to_end(call.head.headers)
            if name not in ours and not (self._hides_token and name == b"authorization")
        ]
        kept += [(b"x-request-id", call.request_id.encode("ascii")), (PASSED_ON, b"1")]
        return kept if part is None else kept + part.headers

    @staticmethod
    async def _answer(call: Call, answer: httpx.Response) -> None:
        headers = [
            (name, value)
            for name, value in _end_to_end((n.lower(), v) for n, v in answer.headers.raw)
            if name not in _SET_BY_THE_SERVER
        ]
        reply = call.begin_reply(answer.status_code, headers)
        async for part in answer.aiter_raw():
            await reply.send(part)
        reply.end()

    def _failed(self, call: Call, name: str, error: Exception) -> None:
        never_sent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
        reason = str(error) or type(error).__name__
        if isinstance(error, TimeoutError):
            reason = f"no whole answer within {self._timeout:g} seconds (api.fallback_timeout)"
        log.fallback_failed(method=name, reason=reason)
        if call.status is not None:
            # The head is out: an end too early is all that the client can be told.
            call.way.cut()
            return
        raise FallbackUnavailableError(
            f"{name} is passed on to AutoGPT's own DatabaseManager, which "
            + (
                "cannot be reached; nothing was done."
                if never_sent
                else "did not answer; the call may have been applied."
            ),
            retry_after=RETRY_AFTER,
        ) from error


def _end_to_end(headers: Iterable[Header]) -> list[Header]:
    """Return the headers that are about the message, and not about the connection it came on."""
    given = list(headers)
    named = {
        each.strip().lower()
        for name, value in given
        if name == b"connection"
        for each in value.split(b",")
    }
    return [(name, value) for name, value in given if name not in _HOP_BY_HOP | named]
