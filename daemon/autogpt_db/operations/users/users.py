"""Users, read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db import models
from autogpt_db.database.capabilities import ForSchema
from autogpt_db.errors import UserNotFoundError
from autogpt_db.operations import Database, Reply, operation

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities

# AutoGPT's own model loses these columns on the way and shows their defaults; it also strips its
# strings and knows no daily limit of 0. Clients refuse members that their release doesn't know.
_SWITCHES: LiteralString = """
               true AS notify_on_agent_run,
               true AS notify_on_zero_balance,
               true AS notify_on_low_balance,
               true AS notify_on_block_execution_failed,
               true AS notify_on_continuous_agent_error,
               true AS notify_on_daily_summary,
               true AS notify_on_weekly_summary,
               true AS notify_on_monthly_summary,"""
_TIER: LiteralString = """
               "subscriptionTier"::text AS subscription_tier,"""


def _user(capabilities: Capabilities) -> LiteralString:
    return f"""
SELECT row_to_json(result)
  FROM (
        SELECT autogpt_db.stripped_v1("id") AS id,
               autogpt_db.stripped_v1("email") AS email,
               true AS email_verified,
               autogpt_db.stripped_v1("name") AS name,
               autogpt_db.iso_v1("createdAt") AS created_at,
               autogpt_db.iso_v1("updatedAt") AS updated_at,
               autogpt_db.user_metadata_v1("metadata") AS metadata,
               autogpt_db.stripped_v1("integrations") AS integrations,
               autogpt_db.stripped_v1("stripeCustomerId") AS stripe_customer_id,
               autogpt_db.top_up_config_v1("topUpConfig") AS top_up_config,{
        _TIER if capabilities.tier else ""
    }
               COALESCE(NULLIF("maxEmailsPerDay", 0), 3) AS max_emails_per_day,{
        _SWITCHES if capabilities.notify_columns else ""
    }
               COALESCE(NULLIF(autogpt_db.stripped_v1("timezone"), ''), 'not-set') AS timezone
          FROM platform."User"
         WHERE "id" = %(user_id)s
       ) AS result
"""


_BY_ID = ForSchema(_user)
_EMAIL: LiteralString = """
SELECT to_json("email") FROM platform."User" WHERE "id" = %(user_id)s
"""
_TIER_OF: LiteralString = """
SELECT to_json(COALESCE("subscriptionTier"::text, 'NO_TIER'))
  FROM platform."User"
 WHERE "id" = %(user_id)s
"""
_FLAG_FIELDS: LiteralString = """
SELECT json_build_object(
           'role', "role",
           'email', "email",
           'created_at', autogpt_db.iso_v1("createdAt")
       )
  FROM platform."UserAuthIdentity"
 WHERE "id" = %(user_id)s
"""


@operation(reads=True)
async def get_user_by_id(database: Database, user_id: str) -> Reply[models.User]:
    """Return a user.

    As AutoGPT answers, `email_verified` and all `notify_on_…` are true whatever is stored:
    `get_user_notification_preference` tells what the user wants. `subscription_tier` is there from
    AutoGPT v0.6.54's schema on; from v0.7.3's on there is no `notify_on_…`.

    Args:
        user_id: The user.

    Returns:
        A User, as its row is now.

    Raises:
        UserNotFoundError: There is no such user.
    """
    document = await database.json(_BY_ID(database.capabilities), {"user_id": user_id})
    if document is None:
        raise UserNotFoundError(user_id)
    return document


@operation(reads=True)
async def get_user_email_by_id(database: Database, user_id: str) -> Reply[str | None]:
    """Return a user's e-mail address as it is stored, or null.

    Args:
        user_id: The user.
    """
    return await database.json(_EMAIL, {"user_id": user_id})


@operation(reads=True)
async def get_user_subscription_tier(database: Database, user_id: str) -> Reply[str]:
    """Return a user's subscription tier; NO_TIER where the user has none.

    Args:
        user_id: The user.

    Raises:
        UserNotFoundError: There is no such user.
    """
    document = await database.json(_TIER_OF, {"user_id": user_id})
    if document is None:
        raise UserNotFoundError(user_id)
    return document


@operation(reads=True)
async def get_auth_user_flag_fields(
    database: Database, user_id: str
) -> Reply[models.AuthUserFlagFields | None]:
    """Return what feature flags go by of a user's sign-in, or null for who has none.

    Args:
        user_id: The user.
    """
    return await database.json(_FLAG_FIELDS, {"user_id": user_id})
