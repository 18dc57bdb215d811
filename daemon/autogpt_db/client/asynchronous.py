"""The client for event loops."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

import httpx

from autogpt_db.client.async_methods import AsyncMethods
from autogpt_db.client.wire import (
    CONNECTIONS,
    DEFAULT_URL,
    Exchange,
    Options,
    authorities,
    changed,
    connection,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from autogpt_db.client.retries import Retries


class AsyncClient(AsyncMethods):
    """Calls the service; one object serves any number of tasks of one event loop."""

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        token: str | None = None,
        retries: Retries | None = None,
        timeout: float | None = None,
        inject: Callable[[dict[str, str]], None] | None = None,
    ) -> None:
        """Make a client; it connects when it is first used.

        Args:
            url: `http://host:port`, or `unix:/path/of/the/socket`.
            token: What the service's `api.token` says.
            retries: When a call is tried again.
            timeout: Seconds to wait for one reply.
            inject: Is called with each call's headers, for what makes it a part of a trace:
                `opentelemetry.propagate.inject`.

        Raises:
            ClientUsageError: One of them is none that can be used; the message says which, and why.
        """
        base, socket, headers = connection(url, token)
        self._http = httpx.AsyncClient(
            base_url=base,
            headers=headers,
            transport=httpx.AsyncHTTPTransport(
                verify=authorities(base),
                uds=socket,
                limits=httpx.Limits(max_connections=CONNECTIONS),
            ),
        )
        self._options = changed(Options(inject=inject), retries, timeout)

    async def __aenter__(self) -> Self:
        """Return the client; leaving closes it."""
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Close the connections."""
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def with_options(
        self,
        *,
        retries: Retries | None = None,
        timeout: float | None = None,
        idempotency_key: str | None = None,
    ) -> Self:
        """Return the same client with other options; both share their connections.

        Args:
            retries: When a call is tried again.
            timeout: Seconds to wait for one reply.
            idempotency_key: What writes are known by, for a repeat by another process. A key
                belongs to one call with one content: take another for the next.

        Raises:
            ClientUsageError: One of them is none that can be used.
        """
        other = object.__new__(type(self))
        other._http = self._http
        other._options = changed(self._options, retries, timeout, idempotency_key)
        return other

    async def call(self, method: str, *, reads: bool = False, **arguments: Any) -> Any:
        """Call a method by name, also one that this client does not know.

        Args:
            method: Its name.
            reads: Whether it only reads.
            arguments: What it takes.

        Raises:
            ClientError: It failed.
        """
        return await self._call(method, arguments, reads=reads)

    async def health_check(self) -> None:
        """Ask whether the service and its database are there.

        Raises:
            ClientError: They are not.
        """
        await self._call("health_check", {}, reads=True)

    async def _call(self, method: str, arguments: dict[str, Any], *, reads: bool) -> Any:
        exchange = Exchange(method, arguments, self._options, reads=reads)
        while True:
            try:
                reply = await self._http.request(**exchange.request)
            except httpx.RequestError as error:
                pause: float | None = exchange.pause_without_reply(error)
            else:
                pause = exchange.pause_after(reply)
                if pause is None:
                    return exchange.result(reply)
            assert pause is not None
            await asyncio.sleep(pause)
