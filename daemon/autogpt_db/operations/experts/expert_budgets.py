"""The gate that every run of an expert's passes: is it there, may it run, and can it afford to."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal, NamedTuple

from autogpt_db.database.capabilities import ForSchema
from autogpt_db.errors import CallError, ExpertRunPausedError
from autogpt_db.logs.events import methods as log
from autogpt_db.operations import Database, JsonText, operation
from autogpt_db.operations.chats.posts import post_as_expert
from autogpt_db.operations.experts.expert_documents import private
from autogpt_db.operations.experts.expert_spending import week_of, weekly_spending
from autogpt_db.signatures.repeats import harmless

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities

MESSAGES = uuid.UUID("6f9c1f6e-8f4b-4c6e-9be1-a1b2c3d4e5f6")
"""The space of names that AutoGPT makes the ids of an expert's messages about its budget in."""
NEARLY = 0.8
"""The share of a budget at which its owner is told."""


class _Gate(NamedTuple):
    """The statements.

    Attributes:
        find: Returns what is to be known of an expert.
        pause: Stops its schedules, and says so in an event; whoever comes second changes nothing.
        unknown_passes: Whether an expert that isn't there stops nothing (until v0.7.1).
    """

    find: LiteralString
    pause: LiteralString
    unknown_passes: bool


def _gate(capabilities: Capabilities) -> _Gate:
    visible = private(capabilities) if capabilities.pods else ""
    return _Gate(
        f"""
SELECT expert."name", expert."isArchived", expert."schedulesPausedAt" IS NOT NULL,
       expert."weeklyBudget"
  FROM platform."Expert" AS expert
 WHERE expert."id" = %(expert_id)s
   AND expert."ownerUserId" = %(user_id)s
   AND NOT expert."isTemplate"{visible}
""",
        f"""
WITH paused AS (
    UPDATE platform."Expert" AS expert
       SET "schedulesPausedAt" = autogpt_db.now_v1(),
           "updatedAt" = autogpt_db.now_v1()
     WHERE expert."id" = %(expert_id)s
   AND expert."ownerUserId" = %(user_id)s
   AND NOT expert."isTemplate"
   AND NOT expert."isArchived"
   AND expert."schedulesPausedAt" IS NULL{visible}
    RETURNING expert."id"
)
INSERT INTO platform."ExpertPauseEvent" ("id", "createdAt", "expertId", "reason")
SELECT gen_random_uuid()::text, autogpt_db.now_v1(), paused."id", %(reason)s
  FROM paused
""",
        unknown_passes=not capabilities.pods,
    )


_GATE = ForSchema(_gate)


@operation(
    reads=False, repeat=harmless("Pauses the expert once, and tells its owner once in a week.")
)
async def enforce_expert_run_budget(database: Database, user_id: str, expert_id: str) -> None:
    """Stop an expert's run that may not begin, and its schedules when its week's budget is spent.

    What it has spent is counted by AutoGPT's executors, in its Redis (section `redis` of the
    settings); without that nothing is known to be spent. An expert without a budget of its own has
    `experts.weekly_budget`. From four fifths of it on the owner is told in a message, once in a
    week.

    Args:
        user_id: The expert's owner.
        expert_id: The expert.

    Raises:
        ExpertRunPausedError: The user has no such expert, it is archived, its schedules are paused,
            or are now. In databases of AutoGPT v0.7.1 one that isn't there stops nothing.
    """
    gate = _GATE(database.capabilities)
    expert = {"user_id": user_id, "expert_id": expert_id}
    row = await database.row(gate.find, expert)
    if row is None:
        if gate.unknown_passes:
            return
        raise ExpertRunPausedError("Expert is unavailable.", expert_id)
    name, archived, paused, own_budget = row
    if archived:
        raise ExpertRunPausedError(f"{name} is archived; her schedules do not run.", expert_id)
    if paused:
        raise ExpertRunPausedError(f"{name}'s schedules are paused.", expert_id)
    budget = database.settings.experts.weekly_budget if own_budget is None else own_budget
    if budget <= 0:
        return
    now = datetime.now(UTC)
    (spent,) = await weekly_spending(database.settings, [expert_id], now)
    if spent >= budget:
        await _pause(database, gate.pause, expert, _Notice("pause", now, spent, budget))
        raise ExpertRunPausedError(
            f"{name} hit her weekly credit budget ({spent}/{budget}); schedules are paused until "
            "you resume them.",
            expert_id,
        )
    if spent >= int(NEARLY * budget):
        notice = _Notice("warn", now, spent, budget)
        try:
            await _tell(database, user_id, expert_id, notice)
        except CallError as error:
            _not_told(expert_id, notice, error)


class _Notice(NamedTuple):
    """What an owner is told of a budget.

    Attributes:
        kind: That it is spent, or nearly.
        moment: When.
        spent: Credits.
        budget: Credits.
    """

    kind: Literal["pause", "warn"]
    moment: datetime
    spent: int
    budget: int

    @property
    def text(self) -> str:
        """Return it in words."""
        if self.kind == "pause":
            return (
                f"I've hit my weekly credit budget ({self.spent} of {self.budget} credits), so my "
                "scheduled runs and triggers are paused for now. Chat with me anytime — and you "
                "can resume my schedules from the Team page whenever you're ready."
            )
        return (
            f"Heads up — I've used {self.spent} of my {self.budget} weekly credits. If I reach the "
            "cap, my scheduled runs pause until you raise it or resume me from the Team page."
        )

    def message_id(self, expert_id: str) -> str:
        """Return the message's id: one for each expert, kind and week."""
        name = f"budget-{self.kind}:{expert_id}:{week_of(self.moment)}"
        return str(uuid.uuid5(MESSAGES, name))


async def _pause(
    database: Database, pause: LiteralString, expert: Mapping[str, str], notice: _Notice
) -> None:
    """Pause an expert's schedules, and tell its owner with it."""
    reason = f"Weekly credit budget reached ({notice.spent}/{notice.budget})"
    parameters = {**expert, "reason": reason}
    try:
        async with database.transaction() as transaction:
            await transaction.execute(pause, parameters)
            await _tell(transaction, expert["user_id"], expert["expert_id"], notice)
    except CallError as error:
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise  # it passes: who asks again has both done
        # A message that cannot be written keeps no budget from stopping.
        _not_told(expert["expert_id"], notice, error)
        await database.execute(pause, parameters)


async def _tell(database: Database, user_id: str, expert_id: str, notice: _Notice) -> None:
    await post_as_expert(
        database,
        {
            "user_id": user_id,
            "expert_id": expert_id,
            "content": JsonText(json.dumps(notice.text)),
            "message_id": notice.message_id(expert_id),
            "metadata": None,
        },
    )


def _not_told(expert_id: str, notice: _Notice, error: CallError) -> None:
    log.expert_owner_not_told(expert_id=expert_id, notice=notice.kind, reason=str(error))
