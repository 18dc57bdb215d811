"""Faults that end a call: the base, and those that pass or are ours."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import Any, ClassVar

from autogpt_db.errors.process import AutogptDbError


class CallError(AutogptDbError):
    """A call's failure as its caller sees it.

    Attributes:
        status: The HTTP status of the reply.
        wire_type: The exception class name that AutoGPT's clients look for (rpc.md §7).
        retry_after: Seconds after which a repeat is worth trying; None when it never is.
        ends_connection: Whether the connection is closed after the reply.
        keeps_writes: Whether what the call has written stays, although it failed.
    """

    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR
    wire_type: ClassVar[str] = "RuntimeError"
    retry_after: float | None = None
    ends_connection: ClassVar[bool] = False
    keeps_writes: ClassVar[bool] = False

    @property
    def retry_seconds(self) -> int | None:
        """Return what the reply's `Retry-After` says, whole seconds; None where it has none."""
        return None if self.retry_after is None else max(1, math.ceil(self.retry_after))

    def body(self) -> dict[str, Any]:
        """Return the reply's JSON body as the contract's `{type, args}`."""
        return {"type": self.wire_type, "args": list(self.args)}


class ServiceUnavailableError(CallError):
    """A passing state of ours; AutoGPT's clients repeat a `ConnectionError` with back-off."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    wire_type = "ConnectionError"

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class DatabaseUnavailableError(ServiceUnavailableError):
    """PostgreSQL cannot be reached now; nothing was written."""


class NoConnectionError(DatabaseUnavailableError):
    """This process has no connection; another one on the same socket may have."""

    ends_connection = True


class SchemaUnreadError(NoConnectionError):
    """This process has not read yet what the database has."""

    def __init__(self) -> None:
        super().__init__("The database's schema has not been read yet; try again shortly.")


class WritesRefusedError(DatabaseUnavailableError):
    """PostgreSQL takes no writes for now, as with a full disk; nothing was written."""


class StatementCollidedError(DatabaseUnavailableError):
    """A statement that another one stood in the way of, as in a deadlock; nothing was written."""


class LockedError(DatabaseUnavailableError):
    """Another transaction holds a row or table that a statement needs; nothing was written."""


class SchemaChangingError(ServiceUnavailableError):
    """AutoGPT's migrations are changing what a call needs; nothing is known to be wrong with it."""

    def __init__(self, method: str) -> None:
        super().__init__(
            f"AutoGPT's migrations are changing what {method} needs in the database; try again "
            "shortly."
        )


class PoolExhaustedError(ServiceUnavailableError):
    """Every connection is in use and the bounded queue is full, or the wait was too long."""


class MemoryExhaustedError(ServiceUnavailableError):
    """The bodies in flight take as much memory as they may; nothing of this one was read."""


class DeadlineExceededError(ServiceUnavailableError):
    """The request's deadline passed; a write may still complete."""


class OutcomeUnknownError(ServiceUnavailableError):
    """The connection died at a write's commit: it may or may not have been applied."""


class FallbackUnavailableError(ServiceUnavailableError):
    """A call of a method that we lack got no answer from AutoGPT's own DatabaseManager."""


class UnhealthyError(CallError):
    """The health check failed; the contract answers it with 400 (rpc.md §8)."""

    status = HTTPStatus.BAD_REQUEST
    wire_type = "UnhealthyServiceError"


class InternalError(CallError):
    """A bug of ours: logged with its cause under the request id, told to nobody in detail."""

    def __init__(self, request_id: str) -> None:
        super().__init__(
            "The database service failed internally; its log has the cause under request id "
            f"{request_id}.",
        )
