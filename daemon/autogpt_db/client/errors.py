"""What a call can fail with: one class for each name that the service's failures have.

Whatever is a `ValueError` in AutoGPT's own client is one here: nothing that a repeat could mend.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

SERVER_FAULT = 500


class ClientError(Exception):
    """Anything that a call fails with."""


class ClientUsageError(ClientError, ValueError):
    """What the client or a call was given cannot be sent; nothing was, and no repeat mends it."""


class UnreachableError(ClientError, ConnectionError):
    """No reply came, however often it was tried; a write may have been applied."""


class CallFailedError(ClientError):
    """The service answered with a failure.

    Attributes:
        status: The HTTP status.
        type: The failure's class name on the wire, or "" where the reply names none.
        arguments: What came with it; the first is a sentence for people.
        request_id: What the service's log has about it.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        type: str = "",
        arguments: tuple[Any, ...] = (),
        request_id: str | None = None,
    ) -> None:
        """Describe the failure.

        Args:
            message: What people are told.
            status: The HTTP status.
            type: The failure's class name on the wire.
            arguments: What came with it.
            request_id: What the service's log has about it.
        """
        super().__init__(message)
        self.status = status
        self.type = type
        self.arguments = arguments
        self.request_id = request_id


class ServerFaultError(CallFailedError):
    """A fault of the service's; its log has the cause under `request_id`."""


class ServiceUnavailableError(CallFailedError, ConnectionError):
    """A passing state, which lasted longer than the retries; a write may have been applied."""


class TokenRefusedError(CallFailedError, PermissionError):
    """The service asks for another token than the client has."""


class MethodNotServedError(CallFailedError, LookupError):
    """The service has no such method."""


class ValueRefusedError(CallFailedError, ValueError):
    """A value that no repeat can make right."""


class ArgumentsRefusedError(ValueRefusedError):
    """The arguments don't fit the method's signature; `arguments` says of each field why."""


class ValidationError(ValueRefusedError):
    """A stored row does not validate."""


class NotFoundError(ValueRefusedError):
    """What the call is about does not exist."""


class ExpertNotFoundError(NotFoundError):
    """The user has no such expert: its id is all that comes with the failure."""


class ExpertPrivateTenancyNotFoundError(CallFailedError):
    """An expert's owner has no organization: the expert's id is all that comes with the failure."""


class ExpertRunPausedError(ValueRefusedError):
    """An expert's run may not begin.

    Attributes:
        expert_id: The expert.
    """

    expert_id: str = ""


class RecordNotFoundError(ValueRefusedError):
    """A row that must exist does not."""


class AgentNotFoundError(ValueRefusedError):
    """The marketplace has no such agent for this user."""


class GraphNotFoundError(NotFoundError):
    """There is no such graph."""


class NotAuthorizedError(ValueRefusedError):
    """The user may not do that."""


class GraphNotAccessibleError(NotAuthorizedError):
    """The user neither owns the graph nor finds it in the marketplace."""


class GraphNotInLibraryError(GraphNotAccessibleError):
    """The graph is readable but not in the user's library."""


class GraphValidationError(ValueRefusedError):
    """The graph cannot run."""


class InvalidInputError(ValueRefusedError):
    """An argument that fits its type but makes no sense."""


class ModerationError(ValueRefusedError):
    """The content is not allowed."""


class FieldNotFoundError(ValueRefusedError):
    """A value stands where only others have a meaning: no platform, no number of a version."""


class LinkAlreadyExistsError(ValueRefusedError):
    """A server or account of a chat platform is linked already."""


class LinkTokenExpiredError(ValueRefusedError):
    """A token for linking has been used, or is too old."""


class LinkFlowMismatchError(ValueRefusedError):
    """A token for linking is for something else: a server's where an account's is asked for."""


class ForeignKeyViolationError(ValueRefusedError):
    """A row would refer to one that does not exist."""


class UniqueViolationError(ValueRefusedError):
    """A row with these keys exists already."""


class RawQueryError(ValueRefusedError):
    """PostgreSQL refuses a statement because of its values."""


class UnhealthyServiceError(CallFailedError):
    """The health check failed."""


class InsufficientBalanceError(ValueRefusedError):
    """A user's or an organization's credits don't cover what would be spent.

    Attributes:
        user_id: Whose, or who would have spent an organization's.
        balance: Credits (US cents) that are there.
        amount: Credits that were to be added: negative; of an organization's, what was to be spent.
    """

    user_id: str = ""
    balance: int = 0
    amount: int = 0


_BY_TYPE: dict[str, type[CallFailedError]] = {
    each.__name__: each
    for each in (
        AgentNotFoundError,
        ExpertNotFoundError,
        ExpertPrivateTenancyNotFoundError,
        ExpertRunPausedError,
        FieldNotFoundError,
        ForeignKeyViolationError,
        GraphNotAccessibleError,
        GraphNotFoundError,
        GraphNotInLibraryError,
        GraphValidationError,
        InsufficientBalanceError,
        InvalidInputError,
        LinkAlreadyExistsError,
        LinkFlowMismatchError,
        LinkTokenExpiredError,
        ModerationError,
        NotAuthorizedError,
        NotFoundError,
        RawQueryError,
        RecordNotFoundError,
        UnhealthyServiceError,
        UniqueViolationError,
        ValidationError,
    )
} | {"ValueError": ValueRefusedError, "ConnectionError": ServiceUnavailableError}

_BY_STATUS: dict[int, type[CallFailedError]] = {
    HTTPStatus.UNAUTHORIZED: TokenRefusedError,
    HTTPStatus.NOT_FOUND: MethodNotServedError,
    HTTPStatus.UNPROCESSABLE_ENTITY: ArgumentsRefusedError,
    HTTPStatus.SERVICE_UNAVAILABLE: ServiceUnavailableError,
}


def failure(method: str, status: int, body: Any, request_id: str | None) -> CallFailedError:
    """Return what a failed call raises.

    Args:
        method: The method that was called.
        status: The reply's status.
        body: Its JSON, or None where it has none.
        request_id: The reply's `x-request-id`.
    """
    content = body if isinstance(body, dict) else {}
    name, arguments = content.get("type"), content.get("args")
    if not (isinstance(name, str) and isinstance(arguments, list)):
        detail = content.get("detail")
        name, arguments = "", detail if isinstance(detail, list) else [detail]
    kind = _BY_TYPE.get(name) or _BY_STATUS.get(status)
    if kind is None:
        kind = ServerFaultError if status >= SERVER_FAULT else CallFailedError
    error = kind(
        f"{method}: {_message(status, arguments)}",
        status=status,
        type=name,
        arguments=tuple(arguments),
        request_id=request_id,
    )
    if isinstance(error, InsufficientBalanceError):
        match arguments:
            case [_, str(user_id), int(balance), int(amount)]:
                error.user_id, error.balance, error.amount = user_id, balance, amount
    if isinstance(error, ExpertRunPausedError):
        match arguments:
            case [_, str(expert_id)]:
                error.expert_id = expert_id
    return error


def stays(body: Any) -> bool:
    """Tell whether a failure is named as one that doesn't pass, whatever its status.

    Args:
        body: The reply's JSON, or None where it has none.
    """
    name = body.get("type") if isinstance(body, dict) else None
    kind = _BY_TYPE.get(name) if isinstance(name, str) else None
    return kind is not None and not issubclass(kind, ServiceUnavailableError)


def _message(status: int, arguments: list[Any]) -> str:
    if arguments and all(isinstance(each, dict) and "loc" in each for each in arguments):
        return "; ".join(
            f"{'.'.join(map(str, each['loc'][1:])) or 'the body'}: {each.get('msg')}"
            for each in arguments
        )
    first = arguments[0] if arguments else None
    return first if isinstance(first, str) else f"HTTP status {status}"
