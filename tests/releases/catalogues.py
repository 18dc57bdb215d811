"""The seventeen known states of AutoGPT's schema, oldest first, and one that is only guessed at."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any

DIRECTORY = Path(__file__).parent
RELEASES = (
    "v0.6.48",
    "v0.6.50",
    "v0.6.51",
    "v0.6.53",
    "v0.6.54",
    "v0.6.55",
    "v0.6.57",
    "v0.6.58",
    "v0.6.59",
    "master-2026-05-20",
    "master-2026-06-09",
    "master-2026-06-17",
    "v0.6.68",
    "v0.6.70",
    "v0.7.0",
    "v0.7.1",
    "v0.7.2",
)
SYNTHETIC = "v0.7.3"
"""v0.7.2 with the changes that its notes announce; nobody has seen its catalogue."""

STATES = (*RELEASES, SYNTHETIC)

_DROPPED_SWITCHES = "notifyOn"
_ALERT_CAUSES = (
    "AUTH_EXPIRED",
    "PAUSED_FAILURES",
    "BLOCK_FAILED",
    "CONTINUOUS_ERROR",
    "AWAITING_REVIEW",
    "AWAITING_INPUT",
    "LOW_BALANCE",
    "ZERO_BALANCE",
    "GUARDRAIL",
)


@cache
def _stored(release: str) -> str:
    return (DIRECTORY / "catalogs" / f"{release}.json").read_text("utf-8")


def catalogue(state: str) -> dict[str, Any]:
    """Return a state's catalogue, in the form that catalogs/ has."""
    if state == SYNTHETIC:
        return _synthetic()
    found: dict[str, Any] = json.loads(_stored(state))
    return found


def after(state: str) -> str | None:
    """Return the state that follows, if there is one."""
    place = STATES.index(state) + 1
    return STATES[place] if place < len(STATES) else None


def _synthetic() -> dict[str, Any]:
    """Return v0.7.2 without the notification switches, with alerts, and with other labels."""
    made = copy.deepcopy(catalogue("v0.7.2"))
    made |= {"release": "0.7.3", "migrations": made["migrations"] + 1}
    made["last_migration"] = "20260827120000_replace_notifications_with_alerts"
    enums, tables = made["enums"], made["tables"]
    enums["NotificationType"] = ["BRIEFING", "ALERT", "STORE_VERDICT", "REFUND_REQUEST"]
    enums["BriefingFrequency"] = ["OFF", "DAILY", "WEEKLY"]
    enums["AlertCause"] = list(_ALERT_CAUSES)
    enums["AlertConditionStatus"] = ["PENDING", "SENT", "DEFERRED", "RESOLVED"]
    user = tables["User"]
    user["columns"] = [
        column for column in user["columns"] if not column[0].startswith(_DROPPED_SWITCHES)
    ] + [
        ["briefingFrequency", '"BriefingFrequency"', "", "'WEEKLY'::\"BriefingFrequency\""],
        ["alertsEnabled", "boolean", "", "true"],
        ["notifyOnStoreVerdict", "boolean", "", "true"],
        ["lastBriefingAt", "timestamp(3) without time zone", "?"],
        ["welcomeEmailSentAt", "timestamp(3) without time zone", "?"],
    ]
    execution = tables["AgentGraphExecution"]
    execution["columns"].append(["interestingness", "double precision", "?"])
    execution["indexes"].append(
        [
            "AgentGraphExecution_userId_endedAt_interestingness_idx",
            "btree",
            ["userId", "endedAt", "interestingness"],
        ]
    )
    execution["indexes"].sort()
    tables["AlertCondition"] = {
        "columns": [
            ["id", "text", ""],
            ["createdAt", "timestamp(3) without time zone", "", "CURRENT_TIMESTAMP"],
            ["updatedAt", "timestamp(3) without time zone", "", "CURRENT_TIMESTAMP"],
            ["userId", "text", ""],
            ["cause", '"AlertCause"', ""],
            ["causeKey", "text", ""],
            ["data", "jsonb", ""],
            ["status", '"AlertConditionStatus"', "", "'PENDING'::\"AlertConditionStatus\""],
            ["sentAt", "timestamp(3) without time zone", "?"],
            ["resolvedAt", "timestamp(3) without time zone", "?"],
            ["briefedAt", "timestamp(3) without time zone", "?"],
        ],
        "primary_key": ["AlertCondition_pkey", ["id"]],
        "foreign_keys": [
            ["AlertCondition_userId_fkey", ["userId"], "User", ["id"], "CASCADE", "CASCADE"]
        ],
        "indexes": [
            ["AlertCondition_status_createdAt_idx", "btree", ["status", "createdAt"]],
            ["AlertCondition_userId_causeKey_key", "unique btree", ["userId", "causeKey"]],
            ["AlertCondition_userId_status_idx", "btree", ["userId", "status"]],
        ],
    }
    return made
