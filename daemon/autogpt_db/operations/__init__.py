"""Every method of the service: one decorated function each, with its SQL beside it.

There is a folder for each subject. A module in one needs nothing but

    from autogpt_db.operations import Database, Reply, operation

    @operation(reads=True)
    async def get_user_email_by_id(database: Database, user_id: str) -> Reply[str | None]:
        \"\"\"Return a user's e-mail address.\"\"\"

to be found by `load_operations`, served, validated and documented.
"""

from autogpt_db.database.pool import Database
from autogpt_db.database.pool.merged import BOUNDED_CALLS, FEW_CALLS, PARSED_CALLS, Merged
from autogpt_db.operations.discovery import load_operations, served_operations
from autogpt_db.signatures.arguments import body_of_another_type
from autogpt_db.signatures.declaration import Parameter, RegistrationError
from autogpt_db.signatures.decorator import operation
from autogpt_db.signatures.json_text import JsonText
from autogpt_db.signatures.registry import Operation
from autogpt_db.signatures.replies import Reply
from autogpt_db.signatures.resources import Resource
from autogpt_db.signatures.types import (
    BatchSize,
    BigInteger,
    CleanText,
    CredentialInputs,
    ExecutionStatus,
    GraphExecutionStats,
    JsonObject,
    JsonObjectOfObjects,
    JsonValue,
    JsonValueToShow,
    LibraryAgentSort,
    Limit,
    NotificationEvent,
    NotificationType,
    PageSize,
    Platform,
    StartingNodesInput,
    UsageTransactionMetadata,
)

__all__ = [
    "BOUNDED_CALLS",
    "FEW_CALLS",
    "PARSED_CALLS",
    "BatchSize",
    "BigInteger",
    "CleanText",
    "CredentialInputs",
    "Database",
    "ExecutionStatus",
    "GraphExecutionStats",
    "JsonObject",
    "JsonObjectOfObjects",
    "JsonText",
    "JsonValue",
    "JsonValueToShow",
    "LibraryAgentSort",
    "Limit",
    "Merged",
    "NotificationEvent",
    "NotificationType",
    "Operation",
    "PageSize",
    "Parameter",
    "Platform",
    "RegistrationError",
    "Reply",
    "Resource",
    "StartingNodesInput",
    "UsageTransactionMetadata",
    "body_of_another_type",
    "load_operations",
    "operation",
    "served_operations",
]
