"""The short road: a plain call of a method is served without ASGI.

Most requests look alike: the same few heads, a small JSON body, all of it at hand. For those the
connection asks here first (`Connection.data_received`), and everything that ASGI would do for them
is left out: no scope, no events, no Starlette. Whatever is unusual about a request (another verb
or path, a header that changes how it is read or served, a body that doesn't decode) goes the plain
road, which explains and refuses; it is the reference, and replies are the same byte for byte.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import re
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from autogpt_db.api.calls import MARGIN, Call, Policy, encode, failure_headers
from autogpt_db.errors import CallError, InternalError
from autogpt_db.logs import REQUEST_ID
from autogpt_db.logs.events import api as log

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from autogpt_db.api.bodies import Bodies
    from autogpt_db.api.connection import Connection
    from autogpt_db.api.serving import Serving
    from autogpt_db.database.pool import Pool
    from autogpt_db.operations import Operation
    from autogpt_db.settings.api import ApiSettings

LARGEST_HEAD = 4096
"""Bytes of a head that is looked up."""
LARGEST_BODY = 65_536
"""Bytes of a body that is waited for here; larger ones are read piece by piece."""
KNOWN_HEADS = 4096
"""Heads that are remembered: a client's differ in their content-length only."""
JOINED = 65_536
"""Bytes of a body up to which it is copied to its head, to be one packet."""

_REQUEST_LINE = re.compile(rb"POST (/[A-Za-z0-9_]+) HTTP/1\.1").fullmatch
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*").fullmatch
_LENGTH = re.compile(rb"[0-9]{1,9}").fullmatch
# What changes how a request is read, or how it is served.
_UNUSUAL = frozenset(
    {
        b"content-encoding",
        b"expect",
        b"idempotency-key",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"x-request-id",
    }
)


class Head(NamedTuple):
    """What a head says.

    Attributes:
        operation: The method that is called, or None: the request takes the plain road.
        body: Bytes that follow it.
    """

    operation: Operation | None
    body: int = 0


class ShortCall(Call):
    """A request on the short road.

    Attributes:
        connection: What it came on.
    """

    __slots__ = ("connection",)

    def __init__(
        self, connection: Connection, operation: Operation, identity: str, policy: Policy
    ) -> None:
        super().__init__(operation.name, identity, policy)
        self.connection = connection
        self.reads = operation.reads

    def reply(self, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        """Send a JSON reply, unless the client has left."""
        self.status = status
        self.connection.reply_to_short(self.request_id, status, body, headers)

    def fail(self, error: CallError) -> None:
        """Send a failure."""
        self.failure = error
        self.reply(error.status, encode(error.body()), failure_headers(error))

    def _answer_early(self, error: CallError) -> None:
        self.fail(error)
        self.log()


class ShortRoad:
    """What all connections of a process share of it.

    Attributes:
        running: The calls under way, the oldest first.
    """

    def __init__(
        self,
        database: Pool,
        serving: Serving,
        settings: ApiSettings,
        policy: Policy,
        bodies: Bodies,
    ) -> None:
        """Prepare the dispatch.

        Args:
            database: The process's pool.
            serving: What is served.
            settings: Limits and token.
            policy: Deadline and log of every request.
            bodies: Reads and counts what requests bring.
        """
        self._bodies = bodies
        self._database = database
        self._operations: Mapping[bytes, Operation] = {}
        self._largest_body = min(LARGEST_BODY, settings.body_limit)
        self._token = settings.token.reveal().encode() if settings.token else None
        self._policy = policy
        self._heads: dict[bytes, Head] = {}
        self._identities = map((os.urandom(4).hex() + "%08x").__mod__, count())
        self.running: dict[ShortCall, None] = {}

        def take_over_methods() -> None:
            methods = serving.methods.items() if settings.short_road else ()
            self._operations = {f"/{name}".encode(): operation for name, operation in methods}
            self._heads.clear()

        take_over_methods()
        serving.when_changed.append(take_over_methods)

    def look_up(self, data: bytes) -> tuple[Head, int]:
        """Return what the head says that `data` begins with, and its length in bytes.

        The head is that of a request for the plain road when it isn't all there.
        """
        end = data.find(b"\r\n\r\n", 0, LARGEST_HEAD)
        if end < 0:
            return _PLAIN, 0
        text = data[:end]
        found = self._heads.get(text)
        if found is None:
            found = self._read(text)
            if len(self._heads) >= KNOWN_HEADS:
                self._heads.clear()
            self._heads[text] = found
        return found, end + 4

    def begin(self, connection: Connection, operation: Operation, body: bytes) -> ShortCall | None:
        """Start a call; None when its body is one for the plain road to explain."""
        size = len(body)
        try:
            arguments = self._bodies.decoding.at_once(operation, body)
            if arguments is None:
                return None
            self._bodies.memory.take(size, size)
        except Exception:  # noqa: BLE001 - the plain road meets it again, and answers
            return None
        call = ShortCall(connection, operation, next(self._identities), self._policy)
        handle = call.handle = self._database.call(
            operation.name, reads=operation.reads, deadline=call.deadline, heavy=operation.heavy
        )
        self.running[call] = None
        call.task = asyncio.get_running_loop().create_task(
            self._serve(call, operation.call(handle, arguments), size)
        )
        return call

    def expire(self, now: float) -> None:
        """Give up the calls whose deadline is here.

        Args:
            now: The `time.monotonic()` moment.
        """
        for call in list(self.running):
            if call.deadline - MARGIN > now:
                break  # all later ones have later deadlines
            call.expire()

    def give_up(self) -> None:
        """Answer every running request now: the process ends."""
        for call in list(self.running):
            call.end_now()

    async def _serve(
        self, call: ShortCall, work: Coroutine[Any, Any, bytes], body_size: int
    ) -> None:
        REQUEST_ID.set(call.request_id)
        try:
            result = await work
        except CallError as error:
            self._fail(call, error)
        except asyncio.CancelledError:
            if not call.given_up:
                raise
            call.log_late_end("cancelled")
        except Exception as error:  # noqa: BLE001 - whatever it is, the connection lives on
            log.internal_error(method=call.name, exc_info=error)
            self._fail(call, InternalError(call.request_id))
        else:
            if call.given_up:
                call.log_late_end("done")
            else:
                call.reply(200, result, [])
        finally:
            del self.running[call]
            self._bodies.memory.give(body_size)
        call.log()

    @staticmethod
    def _fail(call: ShortCall, error: CallError) -> None:
        if call.given_up:
            call.log_late_end(str(error))
        else:
            call.fail(error)

    def _read(self, text: bytes) -> Head:
        """Return what a head says; anything unusual in it makes it one for the plain road."""
        request_line, *lines = text.split(b"\r\n")
        request = _REQUEST_LINE(request_line)
        operation = self._operations.get(request[1]) if request else None
        if operation is None:
            return _PLAIN
        headers: dict[bytes, bytes] = {}
        for line in lines:
            name, colon, value = line.partition(b":")
            name = name.lower()
            if not (colon and _NAME(name) and _VALUE(value)) or name in _UNUSUAL:
                return _PLAIN
            if name in {b"content-length", b"content-type", b"connection", b"authorization"}:
                if name in headers:
                    return _PLAIN
                headers[name] = value.strip(b" \t")
        length = headers.get(b"content-length", b"")
        if (
            not _LENGTH(length)
            or int(length) > self._largest_body
            or headers.get(b"content-type", b"").lower() != b"application/json"
            or headers.get(b"connection", b"keep-alive").lower() != b"keep-alive"
            or not self._is_allowed(headers.get(b"authorization", b""))
        ):
            return _PLAIN
        return Head(operation, int(length))

    def _is_allowed(self, authorization: bytes) -> bool:
        if self._token is None:
            return True
        scheme, _, given = authorization.partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(given.strip(), self._token)


class ReplyHeads:
    """The beginnings of replies, made anew with the date, once a second.

    The bytes are those that uvicorn would put together.
    """

    __slots__ = ("_made", "_made_for")

    def __init__(self) -> None:
        self._made_for: list[tuple[bytes, bytes]] = []
        self._made: dict[int, bytes] = {}

    def reply(
        self,
        status: int,
        defaults: list[tuple[bytes, bytes]],
        identity: str,
        length: int,
        headers: list[tuple[bytes, bytes]],
    ) -> bytes:
        """Return a reply's head, the empty line at its end included.

        Args:
            status: The reply's.
            defaults: uvicorn's own headers; another list when the date has changed.
            identity: The request's.
            length: Bytes of the body.
            headers: More of them.
        """
        if defaults is not self._made_for:
            self._made_for = defaults
            self._made = {}
        start = self._made.get(status)
        if start is None:
            lines = [*defaults, (b"content-type", b"application/json")]
            start = self._made[status] = STATUS_LINE[status] + _lines(lines) + b"content-length: "
        head = b"%b%d\r\nx-request-id: %b\r\n" % (start, length, identity.encode("ascii"))
        return head + _lines(headers) + b"\r\n" if headers else head + b"\r\n"


def _lines(headers: list[tuple[bytes, bytes]]) -> bytes:
    return b"".join([b"%b: %b\r\n" % header for header in headers])


_PLAIN = Head(None)
