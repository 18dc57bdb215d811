"""Calls that no repeat can make right: what they ask for cannot be."""

from __future__ import annotations

from http import HTTPStatus

from autogpt_db.errors.calls import CallError


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

    def __init__(self, fields: str, *, constraint: str = "") -> None:
        """Name the columns, and the constraint where callers look for it.

        Args:
            fields: The columns: "`id`", or several with commas between them.
            constraint: The constraint's name.
        """
        named = f" ({constraint})" if constraint else ""
        super().__init__(f"Unique constraint failed on the fields: ({fields}){named}")
        self.fields = fields


class SchemaObjectMissingError(InvalidValueError):
    """A table, view or type that only some methods need isn't in the database."""


class DatabaseRefusedError(InvalidValueError):
    """The database refuses a right call, and goes on to until somebody changes it there."""


class RightMissingError(InvalidValueError):
    """Our role in PostgreSQL has no right to what a method needs."""


class RawQueryError(InvalidValueError):
    """A statement of the contract's own SQL that PostgreSQL refuses because of its values."""

    wire_type = "RawQueryError"


class InvalidInputError(InvalidValueError):
    """An argument that fits its type but makes no sense."""

    wire_type = "InvalidInputError"


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
    """A user's or an organization's credits don't cover what would be spent."""

    wire_type = "InsufficientBalanceError"

    def __init__(
        self, user_id: str, balance: int, amount: int, *, of_organization: bool = False
    ) -> None:
        """Describe it with the four arguments that AutoGPT's client needs.

        Args:
            user_id: Whose balance, or who would spend an organization's.
            balance: It, in credits (US cents).
            amount: What was to be added to it: negative; of an organization's, what is needed.
            of_organization: Whether it is an organization's.
        """
        super().__init__(
            f"Organization has {balance} credits but needs {amount}"
            if of_organization
            else f"Insufficient balance of ${balance / 100}, where this will cost "
            f"${abs(amount) / 100}",
            user_id,
            balance,
            amount,
        )


class NotFoundError(InvalidValueError):
    """What a call is about isn't there, or not for this user."""

    wire_type = "NotFoundError"


class NotFoundWithStatusError(NotFoundError):
    """The same with the status that AutoGPT gives it from v0.7.2 on."""

    status = HTTPStatus.NOT_FOUND


class ExpertNotFoundError(NotFoundWithStatusError):
    """The user has no such expert."""

    wire_type = "ExpertNotFoundError"

    def __init__(self, expert_id: str) -> None:
        """Name the expert, and nothing else: AutoGPT's client makes a sentence of it.

        Args:
            expert_id: Which one isn't there.
        """
        super().__init__(expert_id)


class ExpertPrivateTenancyNotFoundError(CallError):
    """An expert's owner has no organization, and none could be made.

    Its status is AutoGPT's. It is no state that passes, so no moment of a repeat comes with it.
    """

    status = HTTPStatus.SERVICE_UNAVAILABLE
    wire_type = "ExpertPrivateTenancyNotFoundError"

    def __init__(self, expert_id: str) -> None:
        """Name the expert, and nothing else: AutoGPT's client makes a sentence of it.

        Args:
            expert_id: Whose owner it is.
        """
        super().__init__(expert_id)


class ExpertRunPausedError(InvalidValueError):
    """An expert's run may not begin. Where that pauses its schedules, they stay so."""

    wire_type = "ExpertRunPausedError"
    keeps_writes = True

    def __init__(self, message: str, expert_id: str) -> None:
        """Describe it with the two arguments that AutoGPT's client needs.

        Args:
            message: Why, for the expert's owner.
            expert_id: The expert.
        """
        super().__init__(message, expert_id)


class FieldNotFoundError(InvalidValueError):
    """A value stands where only others have a meaning: no platform, no number of a version."""

    wire_type = "FieldNotFoundError"


class NotAuthorizedError(InvalidValueError):
    """The caller's user may not do that."""

    wire_type = "NotAuthorizedError"


class LinkAlreadyExistsError(InvalidValueError):
    """A server or account of a chat platform is linked already."""

    wire_type = "LinkAlreadyExistsError"


class LinkTokenExpiredError(InvalidValueError):
    """A token for linking has been used, or is too old."""

    wire_type = "LinkTokenExpiredError"


class LinkFlowMismatchError(InvalidValueError):
    """A token for linking is for something else: a server's where an account's is asked for."""

    wire_type = "LinkFlowMismatchError"


class UserNotFoundError(InvalidValueError):
    """There is no such user."""

    def __init__(self, user_id: str, text: str = "") -> None:
        """Name the user.

        Args:
            user_id: Whose row isn't there.
            text: What AutoGPT says of it where that is something of its own.
        """
        super().__init__(text or f"User not found with ID: {user_id}")


class ExecutionNotFoundError(InvalidValueError):
    """There is no such execution, or it is another user's."""


class GraphNotAccessibleError(InvalidValueError):
    """The user neither owns the graph nor finds it in the marketplace."""

    wire_type = "GraphNotAccessibleError"


class GraphNotInLibraryError(InvalidValueError):
    """The graph is readable but not in the user's library."""

    wire_type = "GraphNotInLibraryError"
