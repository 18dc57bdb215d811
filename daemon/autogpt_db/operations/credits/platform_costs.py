"""What blocks cost the platform: a row for each call of a provider that it pays for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from autogpt_db.database.capabilities import ForSchema
from autogpt_db.models import spending
from autogpt_db.operations import Database, JsonText, Merged, operation
from autogpt_db.operations.appending import appending
from autogpt_db.operations.received import members_of
from autogpt_db.signatures.repeats import harmful
from autogpt_db.signatures.types import Document

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities

PlatformCostEntry = Annotated[JsonText, Document(spending.PlatformCostEntry)]
"""The whole model: declared members with their defaults."""

# Texts as they came: only metadata are cleaned.
_COLUMNS: dict[LiteralString, LiteralString] = {
    "user_id": "text",
    "graph_exec_id": "text",
    "node_exec_id": "text",
    "graph_id": "text",
    "node_id": "text",
    "block_id": "text",
    "block_name": "text",
    "provider": "text",
    "credential_id": "text",
    "model": "text",
    "tracking_type": "text",
    "entry": "jsonb",
}


def _log(capabilities: Capabilities) -> Merged:
    # AutoGPT v0.6.54 counts no cached tokens.
    cached: LiteralString = ""
    cached_values: LiteralString = ""
    if capabilities.cost_cache:
        cached = ', "cacheReadTokens", "cacheCreationTokens"'
        cached_values = """,
       (call.entry ->> 'cache_read_tokens')::integer,
       (call.entry ->> 'cache_creation_tokens')::integer"""
    inserted: LiteralString = f"""
INSERT INTO platform."PlatformCostLog"
       ("id", "createdAt", "userId", "graphExecId", "nodeExecId", "graphId", "nodeId", "blockId",
        "blockName", "provider", "credentialId", "model", "trackingType", "costMicrodollars",
        "inputTokens", "outputTokens", "dataSize", "duration", "trackingAmount",
        "metadata"{cached})
SELECT gen_random_uuid()::text, autogpt_db.now_v1(), call.user_id, call.graph_exec_id,
       call.node_exec_id, call.graph_id, call.node_id, call.block_id, call.block_name,
       call.provider, call.credential_id, call.model, call.tracking_type,
       (call.entry ->> 'cost_microdollars')::bigint,
       (call.entry ->> 'input_tokens')::integer,
       (call.entry ->> 'output_tokens')::integer,
       (call.entry ->> 'data_size')::integer,
       (call.entry ->> 'duration')::double precision,
       (call.entry ->> 'tracking_amount')::double precision,
       COALESCE(NULLIF(call.entry -> 'metadata', 'null'), '{{}}'){cached_values}"""
    # Rows of one user have no order, and may come in one statement.
    return appending(inserted, _COLUMNS, "user_id", shares=True)


LOG = ForSchema(_log)


@operation(reads=False, at_once=True, repeat=harmful("Logs the cost again, as one more."))
async def log_platform_cost(database: Database, entry: PlatformCostEntry) -> None:
    """Log what a block's call of a provider cost the platform.

    Args:
        entry: The cost. The provider is stored in lower case; cached tokens are left out in a
            database that doesn't count them.

    Raises:
        ForeignKeyViolationError: There is no such user.
        InvalidValueError: A number is too large for its column.
    """
    received = members_of("entry", entry)
    parameters = {name: received[name] for name in _COLUMNS if name != "entry"}
    parameters["provider"] = str(parameters["provider"]).lower()
    await database.merged(LOG(database.capabilities), {**parameters, "entry": entry})
