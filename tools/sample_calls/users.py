"""Sample calls of the methods for users, and for what they want and have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.sample_calls.roles import BEGIN, CREDENTIAL, END, KNOWN_USER, USER, USER_WITHOUT_TEAM

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.sample_calls import Arguments

CALLS: Mapping[str, list[Arguments]] = {
    "cleanup_expired_oauth_tokens": [{}],
    "get_active_user_ids_in_timerange": [{"start_time": BEGIN, "end_time": END}],
    "get_auth_user_flag_fields": [{"user_id": USER}],
    "get_business_understanding": [{"user_id": KNOWN_USER}],
    "get_user_by_id": [{"user_id": USER}],
    "get_user_credentials": [{"user_id": KNOWN_USER}],
    "get_user_default_team": [{"user_id": USER_WITHOUT_TEAM}],
    "get_user_email_by_id": [{"user_id": USER}],
    "get_user_email_verification": [{"user_id": USER}],
    "get_user_integrations": [{"user_id": USER}],
    "get_user_notification_preference": [{"user_id": KNOWN_USER}],
    "get_user_subscription_tier": [{"user_id": USER}],
    "increment_onboarding_runs": [{"user_id": USER}],
    "resolve_default_tenancy": [{"user_id": USER_WITHOUT_TEAM}],
    "set_user_credentials": [
        {
            "user_id": USER,
            "credentials": [
                {"id": CREDENTIAL, "provider": "openai", "type": "api_key", "api_key": "secret"}
            ],
        },
        {
            "user_id": USER_WITHOUT_TEAM,
            "credentials": [
                {
                    "id": USER_WITHOUT_TEAM,
                    "provider": "github",
                    "type": "oauth2",
                    "access_token": "secret",
                    "scopes": ["repo"],
                }
            ],
        },
    ],
    "update_user_integrations": [{"user_id": USER, "data": {}}],
    "upsert_business_understanding": [
        {
            "user_id": USER,
            "input_data": {
                "job_title": "Clerk",
                "pain_points": ["too much mail"],
                "suggested_prompts": {"Mail": ["Sort my mail"]},
            },
        }
    ],
}
