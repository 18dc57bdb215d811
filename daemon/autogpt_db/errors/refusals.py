"""Requests that no method gets to see."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, ClassVar

from autogpt_db.errors.calls import CallError


class ArgumentsInvalidError(CallError):
    """A request that does not fit the method's signature; `detail` names every field at fault."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY

    def __init__(self, detail: list[dict[str, Any]]) -> None:
        self.detail = detail
        super().__init__("The request does not fit the method's signature.")

    def body(self) -> dict[str, Any]:
        """Return `{"detail": [...]}`, the envelope that upstream's framework uses."""
        return {"detail": self.detail}


class ArgumentsNotHonouredError(ArgumentsInvalidError):
    """A call with arguments that we don't know, or that this database has nothing for.

    Attributes:
        names: The arguments.
        rest: The request's body, where it may be passed on.
    """

    def __init__(self, names: tuple[str, ...], detail: list[dict[str, Any]]) -> None:
        self.names = names
        self.rest: bytes | None = None
        super().__init__(detail)


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

    def __init__(self, limit: int) -> None:
        super().__init__(f"The request's body is larger than {limit} bytes (api.body_limit).")


class BodyTooCostlyError(RequestRefusedError):
    """A body within `api.body_limit` that takes more time or memory to read than it may."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    ends_connection = False

    def __init__(self) -> None:
        super().__init__(
            "Reading the request's body takes more time or memory than one request may have "
            "(api.helper_memory): it holds too many values. Send it in parts."
        )


class PipelineTooLongError(RequestRefusedError):
    """One request more than may wait on a connection."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    retry_after = 1.0

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"{limit} requests wait for their replies on this connection, and no more may: this "
            "one and what follows it were not read. Send them again on another connection."
        )


class BodyTimeoutError(RequestRefusedError):
    """A head or a body that did not arrive within `api.header_timeout` or `api.body_timeout`."""

    status = HTTPStatus.REQUEST_TIMEOUT

    def __init__(self, what: str, seconds: float) -> None:
        super().__init__(f"The request's {what} did not arrive within {seconds:g} seconds.")


class HeadTooLargeError(RequestRefusedError):
    """A request line and headers beyond the server's bound, or trailers and the like."""

    status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"{what} is larger than {limit} bytes.")


class UpgradeRefusedError(RequestRefusedError):
    """A request that wants a tunnel to somewhere else."""


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
