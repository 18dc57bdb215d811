"""What users want to be told, and who of them is active."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from autogpt_db import models
from autogpt_db.errors import InvalidValueError, UserNotFoundError
from autogpt_db.operations import Database, Reply, Resource, operation
from autogpt_db.operations.users import email_address
from autogpt_db.signatures import moments
from autogpt_db.signatures.bounds import fetch_list, listed

ACTIVE = listed("""
SELECT to_json(active."userId") AS document
  FROM (
       SELECT DISTINCT "userId"
         FROM platform."AgentGraphExecution"
        WHERE "createdAt" BETWEEN %(start_time)s AND %(end_time)s
  ) AS active
""")

EMAIL_VERIFIED = """
SELECT "emailVerified" FROM platform."User" WHERE "id" = %(user_id)s
"""

PREFERENCE = """
SELECT "email",
       json_build_object(
           'AGENT_RUN', "notifyOnAgentRun",
           'ZERO_BALANCE', "notifyOnZeroBalance",
           'LOW_BALANCE', "notifyOnLowBalance",
           'BLOCK_EXECUTION_FAILED', "notifyOnBlockExecutionFailed",
           'CONTINUOUS_AGENT_ERROR', "notifyOnContinuousAgentError",
           'DAILY_SUMMARY', "notifyOnDailySummary",
           'WEEKLY_SUMMARY', "notifyOnWeeklySummary",
           'MONTHLY_SUMMARY', "notifyOnMonthlySummary",
           'AGENT_APPROVED', "notifyOnAgentApproved",
           'AGENT_REJECTED', "notifyOnAgentRejected"
       ),
       COALESCE(NULLIF("maxEmailsPerDay", 0), 3),
       to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US')
  FROM platform."User"
 WHERE "id" = %(user_id)s
"""


@operation(reads=True, heavy=True)
async def get_active_user_ids_in_timerange(
    database: Database, start_time: str, end_time: str
) -> Reply[list[str]]:
    """Return the ids of users with an execution, deleted ones included, created in a time range.

    Args:
        start_time: The range's first moment, ISO 8601; UTC where it names no offset.
        end_time: Its last moment.

    Raises:
        InvalidValueError: A moment is no ISO 8601 date or time.
        ResultTooLargeError: The list is longer than the settings allow.
    """
    return await fetch_list(
        database,
        ACTIVE,
        {"start_time": _moment(start_time), "end_time": _moment(end_time)},
        narrow="ask for a shorter time range",
    )


@operation(reads=True)
async def get_user_email_verification(database: Database, user_id: str) -> bool:
    """Tell whether a user's e-mail address has been verified.

    Args:
        user_id: The user.

    Raises:
        UserNotFoundError: There is no such user.
    """
    row = await database.row(EMAIL_VERIFIED, {"user_id": user_id})
    if row is None:
        raise UserNotFoundError(user_id)
    verified: bool = row[0]
    return verified


@operation(reads=True, rest=Resource("/users/{user_id}/notification-preferences"))
async def get_user_notification_preference(
    database: Database, user_id: str
) -> models.NotificationPreference:
    """Return where and about what a user wants to be notified.

    Args:
        user_id: The user.

    Raises:
        UserNotFoundError: There is no such user.
        InvalidValueError: The stored e-mail address is none.
    """
    row = await database.row(PREFERENCE, {"user_id": user_id})
    if row is None:
        raise UserNotFoundError(user_id)
    email, preferences, daily_limit, now = row
    address = email_address.normalized(email)
    if address is None:
        raise InvalidValueError(f"The e-mail address of user {user_id} is not a valid one.")
    return {
        "user_id": user_id,
        "email": address,
        "preferences": msgspec.json.decode(preferences),
        "daily_limit": daily_limit,
        "emails_sent_today": 0,
        "last_reset_date": now,
    }


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return moments.as_stored(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except ValueError as error:
        raise InvalidValueError(f"{text!r} is not a date and time in ISO 8601: {error}.") from error
