"""The RPC: `POST /{method}`, as AutoGPT's clients speak it."""

from __future__ import annotations

import asyncio
import hmac
from email.message import Message as MimeMessage
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote

from autogpt_db.api.arriving import ClientLeftError, parts_of, whole, whole_body
from autogpt_db.api.exchange import Exchange
from autogpt_db.api.protocol import REFUSAL
from autogpt_db.api.unknown import PASSED_ON, UnknownArguments, UnknownMethods, method_name
from autogpt_db.errors import (
    ArgumentsNotHonouredError,
    CallError,
    InternalError,
    NotServedError,
    SchemaChangingError,
    UnauthorizedError,
    UnhealthyError,
    VerbNotAllowedError,
)
from autogpt_db.logs import REQUEST_ID
from autogpt_db.logs.events import api as log
from autogpt_db.operations import body_of_another_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send

    from autogpt_db.api.bodies import Bodies
    from autogpt_db.api.calls import Policy
    from autogpt_db.api.fallback import Fallback
    from autogpt_db.api.idempotency import KeyedCalls
    from autogpt_db.api.serving import Serving
    from autogpt_db.database.pool import Pool
    from autogpt_db.operations import Operation
    from autogpt_db.settings import Settings

HEALTH_PATHS = frozenset({"/health_check", "/health_check_async"})
HEALTH_TIMEOUT = 3.0
"""Most seconds that a health check waits for the database."""

_REPLAYED = (b"idempotency-replayed", b"true")


class Rpc:
    """Answers what the contract defines, and hands on every other path."""

    def __init__(
        self,
        database: Pool,
        serving: Serving,
        settings: Settings,
        policy: Policy,
        keyed: KeyedCalls,
        bodies: Bodies,
        others: ASGIApp,
        other_paths: frozenset[str],
        fallback: Fallback | None = None,
        *,
        arguments: UnknownArguments,
    ) -> None:
        """Prepare the dispatch.

        Args:
            database: The process's pool.
            serving: What is served.
            settings: Limits and token.
            policy: Deadline and log of every request.
            keyed: Answers writes with an idempotency key.
            bodies: Reads and counts what requests bring.
            others: Answers `other_paths`.
            other_paths: What stands beside the methods.
            fallback: Passes on the calls of methods that we lack; None: they get 404.
            arguments: Takes note of those that we lack.
        """
        self._database = database
        self._keyed = keyed
        self._serving = serving
        self._operations: Mapping[str, Operation] = {}
        self._take_over_methods()
        serving.when_changed.append(self._take_over_methods)
        self._others = others
        self._other_paths = other_paths
        self._policy = policy
        self._bodies = bodies
        self._body_limit = settings.api.body_limit
        # Whatever the deadline: a failed check is a 400, not a 503 (rpc.md §8).
        self._health_timeout = min(HEALTH_TIMEOUT, settings.api.request_deadline / 2)
        token = settings.api.token
        self._token = token.reveal().encode() if token else None
        self._quiet_paths = HEALTH_PATHS | {"/live", "/ready", "/metrics"}
        self._open_paths = self._quiet_paths - (
            {"/metrics"} if settings.metrics.needs_token else set()
        )
        self._exchanges: set[Exchange] = set()
        self._fallback = fallback
        self._unknown = UnknownMethods()
        self._arguments = arguments

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        exchange = Exchange(scope, send, self._policy)
        self._exchanges.add(exchange)
        REQUEST_ID.set(exchange.request_id)
        try:
            await self._serve(exchange, scope, receive)
        except CallError as error:
            await self._fail(exchange, error)
        except ClientLeftError:
            pass
        except asyncio.CancelledError:
            if not exchange.given_up:
                raise
            exchange.log_late_end("cancelled")
            _uncancel()
        except Exception as error:  # noqa: BLE001 - whatever it is, the connection lives on
            log.internal_error(method=exchange.name, exc_info=error)
            await self._fail(exchange, InternalError(exchange.request_id))
        finally:
            exchange.close()
            self._exchanges.discard(exchange)
        await exchange.settle()
        exchange.log()

    def _take_over_methods(self) -> None:
        methods = self._serving.methods
        self._operations = {f"/{name}": operation for name, operation in methods.items()}

    def give_up(self) -> None:
        """Answer every running request now: the process ends."""
        for exchange in list(self._exchanges):
            exchange.end_now()

    async def _serve(self, exchange: Exchange, scope: Scope, receive: Receive) -> None:
        if REFUSAL in scope:
            raise scope[REFUSAL]
        path = scope["path"]
        if self._token is not None and path not in self._open_paths:
            self._authorize(exchange)
        operation = self._operations.get(path)
        if operation is None:
            await self._serve_other(exchange, scope, receive)
            return
        if scope["method"] != "POST":
            raise VerbNotAllowedError("POST")
        # A list of one: whoever reads the body takes it out, and nobody keeps it until the reply.
        body = [
            await whole_body(
                exchange, scope, receive, limit=self._body_limit, memory=self._bodies.memory
            )
        ]
        if exchange.content_type != b"application/json" and not _is_json(exchange.content_type):
            raise body_of_another_type(body[0])
        try:
            async with self._bodies.place(len(body[0]), exchange.deadline):
                if exchange.idempotency_key is not None and not operation.reads:
                    await self._serve_keyed(exchange, operation, body, exchange.idempotency_key)
                else:
                    await self._serve_call(exchange, operation, body)
        except ArgumentsNotHonouredError as error:
            await self._serve_elsewhere(exchange, scope, operation, error)

    async def _serve_elsewhere(
        self,
        exchange: Exchange,
        scope: Scope,
        operation: Operation,
        error: ArgumentsNotHonouredError,
    ) -> None:
        """Pass on a call whose arguments we can't honour, or refuse it."""
        if self._fallback is None or error.rest is None or _was_passed_on(scope):
            self._arguments.met(operation.name, error.names, "refused")
            raise error
        self._arguments.met(operation.name, error.names, "passed on")
        body, error.rest = error.rest, None
        await self._fallback.pass_on(exchange, scope, operation.name, whole(body))

    async def _serve_call(
        self, exchange: Exchange, operation: Operation, body: list[bytes]
    ) -> None:
        arguments, _ = await self._bodies.decoding.read(operation, body.pop())
        exchange.handle = handle = self._database.call(
            operation.name,
            reads=operation.reads,
            deadline=exchange.deadline,
            heavy=operation.heavy,
        )
        exchange.reads = operation.reads
        result = await operation.call(handle, arguments)
        if exchange.given_up:
            exchange.log_late_end("done")
        else:
            await exchange.reply(200, result)

    async def _serve_keyed(
        self, exchange: Exchange, operation: Operation, body: list[bytes], key: bytes
    ) -> None:
        exchange.reads = False
        status, reply, exchange.replayed = await self._keyed.call(exchange, operation, body, key)
        if exchange.given_up:
            exchange.log_late_end("done")
        else:
            headers = [_REPLAYED] if exchange.replayed else []
            await exchange.reply(status, reply, *headers)

    async def _fail(self, exchange: Exchange, error: CallError) -> None:
        if exchange.given_up:
            exchange.log_late_end(str(error))
        else:
            await exchange.fail(error)

    def _authorize(self, exchange: Exchange) -> None:
        assert self._token is not None
        scheme, _, given = (exchange.authorization or b"").partition(b" ")
        if scheme.lower() != b"bearer" or not hmac.compare_digest(given.strip(), self._token):
            raise UnauthorizedError("This service asks for a token: Authorization: Bearer …")

    async def _serve_other(self, exchange: Exchange, scope: Scope, receive: Receive) -> None:
        path = scope["path"]
        exchange.quiet = path in self._quiet_paths
        if path in HEALTH_PATHS:
            if scope["method"] not in {"GET", "POST"}:
                raise VerbNotAllowedError("GET, POST")
            await self._check_health(exchange)
        elif path in self._other_paths:
            exchange.name = f"{scope['method']} {path}"
            await self._others(scope, receive, exchange.pass_on)
        else:
            without = path.rstrip("/")
            if path == without or not self._is_path(without):
                await self._serve_unknown(exchange, scope, receive)
                return
            query = scope["query_string"]
            target = quote(without).encode("ascii") + (b"?" + query if query else b"")
            await exchange.reply(307, b"", (b"location", target))

    async def _serve_unknown(self, exchange: Exchange, scope: Scope, receive: Receive) -> None:
        name = method_name(scope["method"], scope["path"])
        if name is None:
            raise NotServedError
        lacking = self._serving.reason(name)
        if lacking is not None and self._serving.in_flux:
            raise SchemaChangingError(name)
        if self._fallback is None:
            why = lacking or "it is none of ours"
            self._unknown.refused(name, f"{why}, and api.fallback_url is not set")
            raise NotServedError
        if _was_passed_on(scope):
            self._unknown.refused(name, "api.fallback_url leads back to this service")
            raise NotServedError
        body = parts_of(await receive(), scope, receive, limit=self._body_limit)
        await self._fallback.pass_on(exchange, scope, name, body)

    def _is_path(self, path: str) -> bool:
        return path in self._operations or path in HEALTH_PATHS or path in self._other_paths

    async def _check_health(self, exchange: Exchange) -> None:
        verdict = await self._database.look(self._health_timeout)
        if verdict.problem is not None:
            raise UnhealthyError(
                f"[DatabaseManager] - Database health check failed: {verdict.problem}"
            )
        await exchange.reply(200, b'"OK"')


def _was_passed_on(scope: Scope) -> bool:
    """Tell whether a request comes from another service like this one."""
    return any(header == PASSED_ON for header, _ in scope["headers"])


@lru_cache(maxsize=64)
def _is_json(content_type: bytes | None) -> bool:
    """Tell whether a body of this type is read as JSON: absent, application/json or +json."""
    if not content_type:
        return True
    message = MimeMessage()
    message["content-type"] = content_type.decode("latin-1")
    subtype = message.get_content_subtype()
    return message.get_content_maintype() == "application" and (
        subtype == "json" or subtype.endswith("+json")
    )


def _uncancel() -> None:
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
