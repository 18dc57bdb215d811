"""What both clients share: where the service is, what a call looks like, what a reply means."""

from __future__ import annotations

import enum
import json
import logging
import ssl
import uuid
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any

import httpx

from autogpt_db.client.checks import (
    checked_key,
    checked_method,
    checked_timeout,
    checked_token,
    checked_url,
)
from autogpt_db.client.errors import CallFailedError, UnreachableError, failure, stays
from autogpt_db.client.retries import RETRYABLE, Attempts, Retries

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("autogpt_db.client")

DEFAULT_URL = "http://127.0.0.1:8005"
TIMEOUT = 65.0
"""Seconds to wait for one reply: the service's own deadline and a margin."""
CONNECT_TIMEOUT = 5.0
CONNECTIONS = 100


@dataclass(frozen=True, slots=True)
class Options:
    """How calls are made.

    Attributes:
        retries: When a call is tried again.
        timeout: Seconds to wait for one reply.
        idempotency_key: What a write is known by; None: a new one for each call.
        inject: Adds to a call's headers what makes it a part of a trace; None: nothing does.
    """

    retries: Retries = field(default_factory=Retries)
    timeout: float = TIMEOUT
    idempotency_key: str | None = None
    inject: Callable[[dict[str, str]], None] | None = None


def changed(
    old: Options,
    retries: Retries | None,
    timeout: float | None,
    idempotency_key: str | None = None,
) -> Options:
    """Return options with what is given in place of what was.

    Raises:
        ClientUsageError: With what is given no call can be made.
    """
    return replace(
        old,
        retries=old.retries if retries is None else retries,
        timeout=old.timeout if timeout is None else checked_timeout(timeout),
        idempotency_key=(
            old.idempotency_key if idempotency_key is None else checked_key(idempotency_key)
        ),
    )


class Exchange:
    """One call, with all its tries.

    Args:
        method: Its name.
        arguments: By parameter name.
        reads: Whether it only reads; a write gets a key that stays the same through all tries.
        options: How it is made.

    Raises:
        ClientUsageError: No method can have that name.
    """

    def __init__(
        self, method: str, arguments: dict[str, Any], options: Options, *, reads: bool
    ) -> None:
        self._method = checked_method(method)
        self._attempts = Attempts(options.retries)
        headers = {"content-type": "application/json"}
        if not reads:
            key = options.idempotency_key
            headers["idempotency-key"] = uuid.uuid4().hex if key is None else key
        if options.inject is not None:
            options.inject(headers)
        self.request: dict[str, Any] = {
            "method": "POST",
            "url": f"/{method}",
            # ASCII: what cannot be UTF-8 goes out as an escape, for the service to refuse by name.
            "content": json.dumps(
                arguments, default=_plain, allow_nan=False, separators=(",", ":")
            ).encode("ascii"),
            "headers": headers,
            "timeout": httpx.Timeout(
                options.timeout, connect=min(CONNECT_TIMEOUT, options.timeout)
            ),
        }

    def pause_after(self, reply: httpx.Response) -> float | None:
        """Return the pause before the next try; None: `reply` is the last."""
        if reply.status_code not in RETRYABLE or stays(_body(reply)):
            return None
        pause = self._attempts.pause(reply.headers.get("retry-after"))
        if pause is not None:
            logger.info("%s: HTTP %d, again in %.2f s", self._method, reply.status_code, pause)
        return pause

    def pause_without_reply(self, error: httpx.RequestError) -> float:
        """Return the pause before the next try.

        Raises:
            UnreachableError: There is none.
        """
        reason = str(error) or type(error).__name__
        pause = self._attempts.pause()
        if pause is None:
            raise UnreachableError(f"{self._method}: no reply: {reason}") from error
        logger.info("%s: no reply (%s), again in %.2f s", self._method, reason, pause)
        return pause

    def result(self, reply: httpx.Response) -> Any:
        """Return what the method returned.

        Raises:
            CallFailedError: It failed.
        """
        body = _body(reply)
        if reply.is_success and body is not _NO_JSON:
            return body
        request_id = reply.headers.get("x-request-id")
        if reply.is_success:
            raise CallFailedError(
                f"{self._method}: the reply is no JSON: is it autogpt-db that answers there?",
                status=reply.status_code,
                request_id=request_id,
            )
        raise failure(
            self._method, reply.status_code, None if body is _NO_JSON else body, request_id
        )


def connection(url: str, token: str | None) -> tuple[str, str | None, dict[bytes, bytes]]:
    """Return base URL, path of the unix socket if it is one, and headers of every request.

    Args:
        url: `http://host:port`, or `unix:/path/of/the/socket`.
        token: What the service's `api.token` says; "" is none.

    Raises:
        ClientUsageError: Nothing can be reached by that URL, or no header can carry the token.
    """
    headers = {b"accept": b"application/json"}
    sent = checked_token(token)
    if sent is not None:
        headers[b"authorization"] = b"Bearer " + sent
    return *checked_url(url), headers


def authorities(base: str) -> ssl.SSLContext | bool:
    """Return whose word httpx takes for a server's name: the world's usual ones.

    Args:
        base: The service's URL. Without TLS nobody is asked, and reading some 150 certificates for
            nothing would be nearly all that making a client takes.
    """
    return base.startswith("https:") or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


_NO_JSON = object()


def _body(reply: httpx.Response) -> Any:
    try:
        return json.loads(reply.content)
    except ValueError:
        return _NO_JSON


def _plain(value: Any) -> Any:
    """Return JSON for what has an obvious one."""
    if isinstance(value, date):  # or a datetime, which is one
        return value.isoformat()
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, set | frozenset):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no JSON")
