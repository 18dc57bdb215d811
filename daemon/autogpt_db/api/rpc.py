"""The RPC: `POST /{method}`, as AutoGPT's clients speak it."""

from __future__ import annotations

import os
from hashlib import sha256
from itertools import count
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote

from autogpt_db.api.asgi import pass_to
from autogpt_db.api.body import whole
from autogpt_db.api.calls import Call
from autogpt_db.api.heads import Heads
from autogpt_db.api.idempotency import check_key
from autogpt_db.api.tracing import begin_span
from autogpt_db.api.unknown import PASSED_ON, UnknownArguments, UnknownMethods, method_name
from autogpt_db.errors import (
    ArgumentsNotHonouredError,
    CallError,
    NotServedError,
    SchemaChangingError,
    UnauthorizedError,
    UnhealthyError,
    VerbNotAllowedError,
)
from autogpt_db.operations import body_of_another_type

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from starlette.types import ASGIApp

    from autogpt_db.api.bodies import Bodies
    from autogpt_db.api.body import Body
    from autogpt_db.api.calls import Policy
    from autogpt_db.api.fallback import Fallback
    from autogpt_db.api.heads import Head
    from autogpt_db.api.idempotency import KeyedCalls
    from autogpt_db.api.replies import Way
    from autogpt_db.api.running import Running
    from autogpt_db.api.serving import Serving
    from autogpt_db.database.pool import Pool
    from autogpt_db.operations import Operation
    from autogpt_db.settings import Settings

HEALTH_PATHS = frozenset({"/health_check", "/health_check_async"})
HEALTH_TIMEOUT = 3.0
"""Most seconds that a health check waits for the database."""


class Rpc:
    """Serves requests: what the contract defines by itself, every other path by others.

    Attributes:
        heads: What the heads of requests say.
    """

    def __init__(
        self,
        database: Pool,
        serving: Serving,
        settings: Settings,
        policy: Policy,
        keyed: KeyedCalls,
        bodies: Bodies,
        running: Running,
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
            running: Does their work.
            others: Answers `other_paths`.
            other_paths: What stands beside the methods.
            fallback: Passes on the calls of methods that we lack; None: they get 404.
            arguments: Takes note of those that we lack.
        """
        self.heads = Heads(settings.api)
        self._running = running
        self._database = database
        self._keyed = keyed
        self._serving = serving
        self._take_over_methods()
        serving.when_changed.append(self._take_over_methods)
        self._others = others
        self._other_paths = other_paths
        self._policy = policy
        self._bodies = bodies
        self._body_limit = settings.api.body_limit
        # Whatever the deadline: a failed check is a 400, not a 503 (rpc.md §8).
        self._health_timeout = min(HEALTH_TIMEOUT, settings.api.request_deadline / 2)
        self._quiet_paths = HEALTH_PATHS | {"/live", "/ready", "/metrics"}
        self._open_paths = self._quiet_paths - (
            {"/metrics"} if settings.metrics.needs_token else set()
        )
        self._fallback = fallback
        self._unknown = UnknownMethods()
        self._arguments = arguments
        self._identities = map((os.urandom(4).hex() + "%08x").__mod__, count())

    def _take_over_methods(self) -> None:
        methods = self._serving.methods
        self.heads.take_over({f"/{name}": operation for name, operation in methods.items()})

    # Calls -------------------------------------------------------------------------------------

    def begin(self, way: Way, head: Head, body: Body) -> Call:
        """Serve a request, whatever it is and whether or not its body is there yet."""
        call = self._call(way, head)
        call.body = body
        return self._running.start(call, self._serve(call, body))

    def begin_whole(self, way: Way, head: Head, data: bytes) -> Call:
        """Serve a quick call, whose body is all there."""
        call = self._call(way, head)
        operation = head.operation
        assert operation is not None, "a quick call is one of an operation"
        keyed = head.key is not None and not operation.reads
        try:
            call.hold(self._bodies.memory, len(data))
            if keyed:
                check_key(head.key or b"")
            values = self._bodies.decoding.at_once(operation, data)
            if values is not None:
                if not keyed:
                    return self._running.start(call, self._operate(call, operation, values))
                work = self._keyed.call(call, operation, values, sha256(data).digest())
                return self._running.start(call, work)
        except ArgumentsNotHonouredError:
            pass  # it is met again, and passed on where that may be
        except CallError as error:
            return self._running.start(call, _raise(error))
        return self._running.start(call, self._serve_data(call, operation, [data]))

    def _call(self, way: Way, head: Head) -> Call:
        call = Call(way, head, head.request_id or next(self._identities), self._policy)
        tracer = self._policy.tracer
        if tracer is not None and head.path not in self._quiet_paths:
            call.span = begin_span(tracer, head, call.request_id, call.started)
        return call

    def _operate(
        self, call: Call, operation: Operation, arguments: dict[str, Any]
    ) -> Coroutine[Any, Any, bytes]:
        """Return the work of a call, which is begun by awaiting it."""
        call.reads = operation.reads
        call.handle = handle = self._database.call(
            operation.name, reads=operation.reads, deadline=call.deadline, heavy=operation.heavy
        )
        return operation.call(handle, arguments)

    # Requests ----------------------------------------------------------------------------------

    async def _serve(self, call: Call, body: Body) -> bytes | None:
        """Serve any request; None: it has its reply."""
        head = call.head
        if body.refusal is not None:
            raise body.refusal
        if not head.allowed and head.path not in self._open_paths:
            raise UnauthorizedError("This service asks for a token: Authorization: Bearer …")
        operation = head.operation
        if operation is None:
            await self._serve_other(call, body)
            return None
        if head.verb != "POST":
            raise VerbNotAllowedError("POST")
        # A list of one: whoever reads the body takes it out, and nobody keeps it until the reply.
        data = [await self._whole(call, body)]
        if not head.is_json:
            raise body_of_another_type(data[0])
        return await self._serve_data(call, operation, data)

    async def _whole(self, call: Call, body: Body) -> bytes:
        parts = []
        async for part in body.parts(self._body_limit):
            call.hold(self._bodies.memory, len(part))
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _serve_data(
        self, call: Call, operation: Operation, data: list[bytes]
    ) -> bytes | None:
        """Serve a call whose body is all there; None: it has its reply."""
        keyed = call.head.key is not None and not operation.reads
        try:
            async with self._bodies.place(len(data[0]), call.deadline):
                if keyed:
                    check_key(call.head.key or b"")
                read = self._bodies.decoding.read(operation, data.pop(), digest=keyed)
                arguments = await read
                if keyed:
                    return await self._keyed.call(call, operation, *arguments)
                return await self._operate(call, operation, arguments.values)
        except ArgumentsNotHonouredError as error:
            await self._serve_elsewhere(call, operation, error)
            return None

    async def _serve_elsewhere(
        self, call: Call, operation: Operation, error: ArgumentsNotHonouredError
    ) -> None:
        """Pass on a call whose arguments we can't honour, or refuse it."""
        if self._fallback is None or error.rest is None or _was_passed_on(call.head):
            self._arguments.met(operation.name, error.names, "refused")
            raise error
        self._arguments.met(operation.name, error.names, "passed on")
        body, error.rest = error.rest, None
        await self._fallback.pass_on(call, operation.name, whole(body))

    async def _serve_other(self, call: Call, body: Body) -> None:
        head = call.head
        path = head.path
        call.quiet = path in self._quiet_paths
        if path in HEALTH_PATHS:
            if head.verb not in {"GET", "POST"}:
                raise VerbNotAllowedError("GET, POST")
            await self._check_health(call)
        elif path in self._other_paths:
            call.name = f"{head.verb} {path}"
            await pass_to(self._others, call, body, self._body_limit)
        else:
            without = path.rstrip("/")
            if path == without or not self._is_path(without):
                await self._serve_unknown(call, body)
                return
            target = quote(without).encode("ascii") + (b"?" + head.query if head.query else b"")
            call.reply(307, b"", [(b"location", target)])

    async def _serve_unknown(self, call: Call, body: Body) -> None:
        name = method_name(call.head.verb, call.head.path)
        if name is None:
            raise NotServedError
        lacking = self._serving.reason(name)
        if lacking is not None and self._serving.in_flux:
            raise SchemaChangingError(name)
        if self._fallback is None:
            why = lacking or "it is none of ours"
            self._unknown.refused(name, f"{why}, and api.fallback_url is not set")
            raise NotServedError
        if _was_passed_on(call.head):
            self._unknown.refused(name, "api.fallback_url leads back to this service")
            raise NotServedError
        await self._fallback.pass_on(call, name, body.parts(self._body_limit))

    def _is_path(self, path: str) -> bool:
        return self.heads.knows(path) or path in HEALTH_PATHS or path in self._other_paths

    async def _check_health(self, call: Call) -> None:
        verdict = await self._database.look(self._health_timeout)
        if verdict.problem is not None:
            raise UnhealthyError(
                f"[DatabaseManager] - Database health check failed: {verdict.problem}"
            )
        call.reply(200, b'"OK"')


async def _raise(error: CallError) -> NoReturn:
    """Fail in the call's own task, like whatever fails later."""
    raise error


def _was_passed_on(head: Head) -> bool:
    """Tell whether a request comes from another service like this one."""
    return any(name == PASSED_ON for name, _ in head.headers)
