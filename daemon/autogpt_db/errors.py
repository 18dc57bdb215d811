"""One exception family, and its one table to HTTP and to exit codes.

Whatever goes wrong is raised as one of these classes, named for what happened.
A class carries everything the borders need: `status` and `wire_type` for a
client of the RPC (the contract's `{"type", "args"}` body), `exit_code` for the
process that cannot start or go on.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, ClassVar

EXIT_STOPPED = 0
EXIT_BACKUP_DAMAGED = 65  # EX_DATAERR
EXIT_DATABASE_UNREACHABLE = 69  # EX_UNAVAILABLE
EXIT_BUG = 70  # EX_SOFTWARE
EXIT_RESOURCE_TAKEN = 71  # EX_OSERR
EXIT_MAINTENANCE_FAILED = 74  # EX_IOERR
EXIT_CONFIGURATION = 78  # EX_CONFIG: systemd's RestartPreventExitStatus


class AutogptDbError(Exception):
    """Anything this program can name; the message says what happened and what to do next."""

    exit_code: ClassVar[int] = EXIT_BUG


# Faults that end a process -------------------------------------------------------------------


class ConfigurationError(AutogptDbError):
    """The configuration is at fault; `problems` holds one line for each fault."""

    exit_code = EXIT_CONFIGURATION

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class SchemaError(AutogptDbError):
    """The database's schema cannot be served: objects are missing, or it is newer than we are."""

    exit_code = EXIT_CONFIGURATION


class DatabaseUnreachableError(AutogptDbError):
    """PostgreSQL did not answer within the start-up timeout."""

    exit_code = EXIT_DATABASE_UNREACHABLE


class ResourceTakenError(AutogptDbError):
    """An address or a directory that must be ours is held by another live process."""

    exit_code = EXIT_RESOURCE_TAKEN


class BackupDamagedError(AutogptDbError):
    """A backup isn't what it was when it was made, or is none."""

    exit_code = EXIT_BACKUP_DAMAGED


class MaintenanceError(AutogptDbError):
    """A backup, a restore or an upgrade of the private cluster failed; the data is as it was."""

    exit_code = EXIT_MAINTENANCE_FAILED


# Faults that end a call ----------------------------------------------------------------------


class CallError(AutogptDbError):
    """A call's failure as its caller sees it.

    Attributes:
        status: The HTTP status of the reply.
        wire_type: The exception class name that AutoGPT's clients look for (rpc.md §7).
        retry_after: Seconds after which a repeat is worth trying; None when it never is.
    """

    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR
    wire_type: ClassVar[str] = "RuntimeError"
    retry_after: float | None = None

    def body(self) -> dict[str, Any]:
        """Return the reply's JSON body as the contract's `{type, args}`."""
        return {"type": self.wire_type, "args": list(self.args)}


class ArgumentsInvalidError(CallError):
    """A request that does not fit the method's signature; `detail` names every field at fault."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY

    def __init__(self, detail: list[dict[str, Any]]) -> None:
        self.detail = detail
        super().__init__("The request does not fit the method's signature.")

    def body(self) -> dict[str, Any]:
        """Return `{"detail": [...]}`, the envelope that upstream's framework uses."""
        return {"detail": self.detail}


class RequestRefusedError(CallError):
    """A request that no method gets to see; its reply is `{"detail": reason}`.

    Attributes:
        ends_connection: Whether the connection is closed after the reply.
    """

    status = HTTPStatus.BAD_REQUEST
    ends_connection: ClassVar[bool] = True

    def body(self) -> dict[str, Any]:
        """Return `{"detail": reason}`, as upstream's framework does."""
        return {"detail": self.args[0]}


class BodyUnreadableError(RequestRefusedError):
    """A body that cannot be read as JSON text at all (rpc.md §4)."""

    ends_connection = False

    def __init__(self, reason: str = "There was an error parsing the body") -> None:
        super().__init__(reason)


class BodyTooLargeError(RequestRefusedError):
    """A body beyond `api.body_limit`."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class BodyTimeoutError(RequestRefusedError):
    """A body that did not arrive within `api.body_timeout`."""

    status = HTTPStatus.REQUEST_TIMEOUT


class HeadTooLargeError(RequestRefusedError):
    """A request line and headers beyond the server's bound."""

    status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE


class UpgradeRefusedError(RequestRefusedError):
    """A request that wants to change the protocol."""


class UnauthorizedError(RequestRefusedError):
    """A request without the token that `api.token` asks for."""

    status = HTTPStatus.UNAUTHORIZED
    ends_connection = False


class NotServedError(RequestRefusedError):
    """A path that nothing stands at."""

    status = HTTPStatus.NOT_FOUND
    ends_connection = False

    def __init__(self) -> None:
        super().__init__("Not Found")


class VerbNotAllowedError(RequestRefusedError):
    """An HTTP verb that the path does not take; `allowed` lists those it does."""

    status = HTTPStatus.METHOD_NOT_ALLOWED
    ends_connection = False

    def __init__(self, allowed: str) -> None:
        self.allowed = allowed
        super().__init__("Method Not Allowed")


class InvalidValueError(CallError):
    """A value that no repeat of the call can make right."""

    status = HTTPStatus.BAD_REQUEST
    wire_type = "ValueError"


class ValidationFailedError(InvalidValueError):
    """A stored row that does not validate as the contract's model."""

    wire_type = "ValidationError"


class RecordNotFoundError(InvalidValueError):
    """A row that must exist does not."""

    wire_type = "RecordNotFoundError"

    def __init__(self, what: str = "the record") -> None:
        super().__init__(
            "An operation failed because it depends on one or more records that were required "
            f"but not found: {what}.",
        )


class ForeignKeyViolationError(InvalidValueError):
    """A row refers to one that does not exist."""

    wire_type = "ForeignKeyViolationError"

    def __init__(self, constraint: str) -> None:
        super().__init__(f"Foreign key constraint failed on the field: `{constraint} (index)`")


class UniqueViolationError(InvalidValueError):
    """A row with these keys exists already."""

    wire_type = "UniqueViolationError"

    def __init__(self, fields: str) -> None:
        super().__init__(f"Unique constraint failed on the fields: ({fields})")


class SchemaObjectMissingError(InvalidValueError):
    """A table, view or type that only some methods need isn't in the database."""


class RawQueryError(InvalidValueError):
    """A statement of the contract's own SQL that PostgreSQL refuses because of its values."""

    wire_type = "RawQueryError"


class InvalidInputError(InvalidValueError):
    """An argument that fits its type but makes no sense."""

    wire_type = "InvalidInputError"


class LimitExceededError(InvalidValueError):
    """An argument that is larger than the settings allow."""

    def __init__(self, name: str, size: str, limit: str, most: int) -> None:
        """Name the field and its bound.

        Args:
            name: The parameter.
            size: How large it is, to follow its name: `has 5 items`.
            limit: The option that bounds it.
            most: That option's value.
        """
        super().__init__(f"{name} {size}, and at most {most} are allowed ({limit}).")


class ResultTooLargeError(InvalidValueError):
    """A reply that is larger than the settings allow."""

    def __init__(self, size: str, limit: str, narrow: str) -> None:
        """Say what would make it smaller.

        Args:
            size: How large it would be: `more than 5 rows`.
            limit: The option that bounds it.
            narrow: What to do instead.
        """
        super().__init__(
            f"ResultTooLargeError: the reply would hold {size} ({limit}). To narrow it, {narrow}."
        )


class IdempotencyKeyInvalidError(InvalidValueError):
    """An `Idempotency-Key` header that is no key."""


class IdempotencyKeyReusedError(InvalidValueError):
    """An `Idempotency-Key` that came before, with another content."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


class ReplyNotKeptError(InvalidValueError):
    """A reply too large to be kept under a key; the call has been undone."""


class InsufficientBalanceError(InvalidValueError):
    """A user's credits don't cover what would be spent."""

    wire_type = "InsufficientBalanceError"

    def __init__(self, user_id: str, balance: int, amount: int) -> None:
        """Describe it with the four arguments that AutoGPT's client needs.

        Args:
            user_id: Whose balance.
            balance: It, in credits (US cents).
            amount: What was to be added to it: negative.
        """
        super().__init__(
            f"Insufficient balance of ${balance / 100}, where this will cost ${abs(amount) / 100}",
            user_id,
            balance,
            amount,
        )


class AgentNotFoundError(InvalidValueError):
    """The marketplace has no such agent for this user."""

    wire_type = "AgentNotFoundError"


class GraphNotAccessibleError(InvalidValueError):
    """The user neither owns the graph nor finds it in the marketplace."""

    wire_type = "GraphNotAccessibleError"


class GraphNotInLibraryError(InvalidValueError):
    """The graph is readable but not in the user's library."""

    wire_type = "GraphNotInLibraryError"


class ServiceUnavailableError(CallError):
    """A passing state of ours; AutoGPT's clients repeat a `ConnectionError` with back-off."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    wire_type = "ConnectionError"

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class DatabaseUnavailableError(ServiceUnavailableError):
    """PostgreSQL cannot be reached now; nothing was written."""


class StatementCollidedError(DatabaseUnavailableError):
    """A statement that another one stood in the way of, as in a deadlock; nothing was written."""


class PoolExhaustedError(ServiceUnavailableError):
    """Every connection is in use and the bounded queue is full, or the wait was too long."""


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
