"""What happens to bots: counted by AutoGPT's pages for administrators, never what was said."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated

from autogpt_db.errors import InvalidValueError
from autogpt_db.models import bots
from autogpt_db.operations import Database, JsonText, operation
from autogpt_db.operations.appending import appending
from autogpt_db.operations.received import members_of
from autogpt_db.signatures.repeats import harmful
from autogpt_db.signatures.types import Document

if TYPE_CHECKING:
    from typing import LiteralString

BotEventInput = Annotated[JsonText, Document(bots.BotEventInput)]

_NUMBERS = ("char_count", "duration_ms")
_MOST = 2**31
"""Beyond what an integer column holds."""

_COLUMNS: dict[LiteralString, LiteralString] = {
    "event_id": "text",
    "platform": "text",
    "event_type": "text",
    "server_id": "text",
    "channel_type": "text",
    "command_name": "text",
    "error_kind": "text",
    "char_count": "integer",
    "duration_ms": "integer",
}

_INSERTED: LiteralString = """
INSERT INTO platform."BotEvent"
       ("id", "createdAt", "platform", "eventType", "serverId", "channelType", "commandName",
        "errorKind", "charCount", "durationMs")
SELECT call.event_id, autogpt_db.now_v1(), call.platform::platform."PlatformType",
       call.event_type, call.server_id, call.channel_type, call.command_name, call.error_kind,
       call.char_count, call.duration_ms"""

# Each is a row of its own, so that any number of them goes together.
_RECORD = appending(_INSERTED, _COLUMNS, "event_id")


@operation(reads=False, at_once=True, repeat=harmful("Records the event again, as one more."))
async def record_bot_event(database: Database, event: BotEventInput) -> None:
    """Record what has happened to a bot.

    Rows stay until `retain.bot_events_days` has them deleted.

    Args:
        event: What has happened; members that aren't declared are dropped.

    Raises:
        InvalidValueError: A number is too large for its column.
    """
    members = members_of("event", event)
    for name in _NUMBERS:
        number = members[name]
        if number is not None:
            if not -_MOST <= number < _MOST:
                raise InvalidValueError(f"event.{name} is beyond the 32 bits of its integer.")
            members[name] = str(number)
    await database.merged(_RECORD, {**members, "event_id": str(uuid.uuid4())})
