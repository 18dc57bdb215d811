"""Whether balances are filled up each month: as the settings say, or as the database's age does."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities
    from autogpt_db.settings import CreditsSettings

BROUGHT_FORWARD: LiteralString = """
SELECT EXISTS (
    SELECT
      FROM autogpt_db.migration AS made
      JOIN autogpt_db.migration AS later
        ON later.name LIKE 'platform\\_%%' AND later.applied_at > made.applied_at
     WHERE made.name = '0001_platform'
)
"""
"""Whether an earlier autogpt-db made AutoGPT's tables and filled up, and they changed since."""


class Refill(NamedTuple):
    """Whether balances are filled up each month.

    Attributes:
        is_on: Whether they are; None as long as only the record of our migrations can tell.
        reason: Why, for people.
    """

    is_on: bool | None
    reason: str


def refill_of(
    settings: CreditsSettings, capabilities: Capabilities, brought_forward: bool | None = None
) -> Refill:
    """Return whether balances are filled up each month.

    Args:
        settings: What an operator says.
        capabilities: What the database has.
        brought_forward: What `BROUGHT_FORWARD` says, where it has been asked.
    """
    if settings.monthly_refill != "auto":
        return Refill(settings.monthly_refill == "on", "as credits.monthly_refill says")
    if not capabilities.no_refill:
        return Refill(True, "as AutoGPT has it up to v0.6.58, whose database this is")
    if brought_forward:
        return Refill(True, "as before an earlier autogpt-db's tables were brought forward")
    reason = "AutoGPT has no monthly allowance since v0.6.59, whose database this is, or a later"
    return Refill(None if brought_forward is None else False, reason)
