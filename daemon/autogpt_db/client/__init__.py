"""A typed client of the service: `Client` for threads, `AsyncClient` for event loops.

Both have one method for each of the service's, with the same names, parameters and defaults, and
repeat what a repeat can mend. What they return is plain JSON data; `autogpt_db.client.models` says
what is in it.
"""

from autogpt_db.client.asynchronous import AsyncClient
from autogpt_db.client.blocking import Client
from autogpt_db.client.errors import (
    AgentNotFoundError,
    ArgumentsRefusedError,
    CallFailedError,
    ClientError,
    ClientUsageError,
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
    MethodNotServedError,
    ModerationError,
    NotAuthorizedError,
    NotFoundError,
    RecordNotFoundError,
    ServerFaultError,
    ServiceUnavailableError,
    TokenRefusedError,
    UniqueViolationError,
    UnreachableError,
    ValueRefusedError,
)
from autogpt_db.client.retries import Retries

__all__ = [
    "AgentNotFoundError",
    "ArgumentsRefusedError",
    "AsyncClient",
    "CallFailedError",
    "Client",
    "ClientError",
    "ClientUsageError",
    "ExpertNotFoundError",
    "ExpertPrivateTenancyNotFoundError",
    "ExpertRunPausedError",
    "FieldNotFoundError",
    "ForeignKeyViolationError",
    "GraphNotAccessibleError",
    "GraphNotFoundError",
    "GraphNotInLibraryError",
    "GraphValidationError",
    "InsufficientBalanceError",
    "InvalidInputError",
    "LinkAlreadyExistsError",
    "LinkFlowMismatchError",
    "LinkTokenExpiredError",
    "MethodNotServedError",
    "ModerationError",
    "NotAuthorizedError",
    "NotFoundError",
    "RecordNotFoundError",
    "Retries",
    "ServerFaultError",
    "ServiceUnavailableError",
    "TokenRefusedError",
    "UniqueViolationError",
    "UnreachableError",
    "ValueRefusedError",
]
