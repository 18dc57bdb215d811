"""Methods.

Told by the process that answers a call, or does afterwards what no call waits for.
"""

from __future__ import annotations

from logging import ERROR, INFO, WARNING
from typing import TYPE_CHECKING

from autogpt_db.logs.declaration import Entry, event

if TYPE_CHECKING:
    from collections.abc import Sequence


@event(INFO)
def auto_top_up_skipped(*, user_id: str, graph_exec_id: str | None) -> None:
    """A balance fell below its user's threshold; there is no payment provider to ask."""


@event(INFO)
def auto_top_up(*, user_id: str, graph_exec_id: str | None, amount: int, payment: str) -> None:
    """A balance was topped up; `payment`: the provider's id, the entry's key."""


@event(WARNING)
def auto_top_up_failed(*, user_id: str, graph_exec_id: str | None, reason: str) -> None:
    """Nothing was charged; the inactive entry, if there is one, keeps that graph execution from
    asking again.

    The user's next graph execution asks again. Where `reason` is the provider's key or account,
    mend it: credits.stripe_api_key.
    """


@event(ERROR)
def auto_top_up_not_entered(
    *, user_id: str, graph_exec_id: str | None, payment: str | None, reason: str
) -> None:
    """A card may have been charged, and the balance doesn't show it.

    The job settle_top_ups looks for the payment at the provider and enters it; wait for its
    `auto_top_up_settled`.
    """


@event(INFO)
def auto_top_up_settled(*, user_id: str, transaction_key: str, amount: int, payment: str) -> None:
    """The job settle_top_ups has entered a charge whose process ended before it could."""


@event(ERROR, WARNING)
def auto_top_up_unsettled(*, user_id: str, transaction_key: str, amount: int, reason: str) -> None:
    """What settle_top_ups found cannot be entered. Warning: no payment was found. Told once for
    each reason; the entry stays inactive, and keeps its graph execution from charging again.

    Look at the payment at the provider, then activate the entry or refund.
    """


@event(INFO)
def auto_top_up_never_charged(*, user_id: str, transaction_key: str) -> None:
    """A day later there is no payment: nothing was charged, and the entry is let be."""


@event(WARNING, counter="gateway_failures_total")
def top_ups_not_looked_up(*, reason: str, left: int) -> None:
    """The payment provider could not be asked.

    It is tried again at the next run; where that goes on, `reason` says what to mend.
    """


@event(WARNING, counter="gateway_failures_total")
def expert_spending_unread(*, experts: int, reason: str) -> None:
    """Redis didn't say what experts have spent this week; they count as having spent nothing.

    Their budgets stop nothing meanwhile. `reason` says what stood in the way: see that AutoGPT's
    Redis is there, and reached as the section `redis` of the settings says.
    """


@event(WARNING)
def expert_owner_not_told(*, expert_id: str, notice: str, reason: str) -> None:
    """The message about an expert's budget (`notice`: pause or warn) could not be written.

    `reason` says what stood in the way. The budget holds nevertheless; a warning is tried again
    before the expert's next run.
    """


@event(WARNING)
def default_tenancy_unresolved(*, user_id: str, reason: str) -> None:
    """A user's own organization could neither be found nor made: `resolve_default_tenancy` answered
    twice null.

    `reason` says what stood in the way; the next call tries again.
    """


@event(WARNING)
def node_values_left_out(*, node_exec_id: str | None) -> None:
    """A node execution has more than 1000 inputs or outputs; only the oldest 1000 are read, as
    AutoGPT from v0.6.60 on has it. Said once for each.

    Nothing has to be done: the others stay in the database.
    """


@event(WARNING)
def chat_column_defaulted(*, table: str, column: str, id: str) -> None:
    """A column of a chat's `session` or `message` holds JSON that no caller could take; it is shown
    with its default. Said once for each.

    Nothing has to be done for the other rows; to have this one right, look at it in the database.
    """


@event(WARNING)
def notifications_left_out(
    *, type: str, batches: int, users: Sequence[str], largest_bytes: int
) -> None:
    """`get_all_batches_by_type` had more than a reply may hold: how many batches it left out, the
    largest, and whose (20 at most).

    The next call has them, once AutoGPT has sent the others; or raise `limits.rows` or
    `limits.result_bytes`.
    """


@event(WARNING)
def background_given_up(*, work: Sequence[str]) -> None:
    """The process ended before these were done: events, top-ups.

    Events are lost to who listens on Redis, and nothing else is; a charge is found by
    settle_top_ups.
    """


@event(ERROR)
def background_failed(*, work: str, exc_info: BaseException) -> None:
    """A bug in work that no call waits for.

    Report it, with the traceback.
    """


@event(WARNING, counter="gateway_failures_total")
def event_not_published(*, what: str, reason: str) -> None:
    """Redis didn't take an event or a deletion; nothing else is touched by that.

    Start Redis, or correct redis.host; who watches a run sees it at the next event, or by reading.
    """


@event(WARNING, counter="gateway_failures_total")
def schedules_unknown(*, reason: str, pause: float) -> None:
    """AutoGPT's scheduler didn't say what is scheduled: for `pause` seconds nobody asks it, and no
    agent is shown as scheduled.

    Start the scheduler, or correct library.scheduler_url.
    """


@event(WARNING, counter="gateway_failures_total")
def embedding_failed(*, texts: int, reason: str) -> None:
    """No embeddings were made; a search goes by words, a backfill is repeated.

    Where `reason` is the provider's key or account, mend it: embeddings.openai_api_key.
    """


@event(
    ERROR,
    entry=Entry(
        "6d0e7c1f3f0b4f0d9a3a5b0d1c5c7a03",
        "Stored credentials cannot be decrypted",
        "autogpt-db.toml(5)",
    ),
)
def credentials_undecryptable(
    *,
    users: int | None = None,
    user_id: str | None = None,
    table: str | None = None,
    texts: int | None = None,
    tried: int | None = None,
    credentials: list[str] | None = None,
) -> None:
    """Users' stored credentials were written with another key than `integrations.encryption_key`.
    At a start: `texts` of `tried` that were looked at in `table`; of a call: whose, and the ids of
    the first 20 rows of "IntegrationCredential". A single damaged one is left out of what is shown.

    Users' credentials for other services were written with another key than
    integrations.encryption_key. Nothing was overwritten. Give the key that AutoGPT's other services
    use (ENCRYPTION_KEY); the credentials are readable again with it.
    """


@event(ERROR)
def bot_token_undecryptable(*, install: str) -> None:
    """A bot's token was written with another key than `integrations.encryption_key`, or is damaged;
    whoever asked was told that the bot isn't installed. `install` is the id in "BotInstall".

    Give the key that AutoGPT's other services use (ENCRYPTION_KEY), or have the bot installed anew
    in that workspace.
    """


@event(ERROR)
def credentials_malformed(*, user_id: str, texts: int, credentials: list[str]) -> None:
    """Stored credentials of a user decrypt to something that is none, and were left out:
    `credentials` are the ids of the first 20 rows of "IntegrationCredential".

    Somebody else than AutoGPT wrote them, or a later release. The user can connect that service
    anew.
    """


@event(WARNING)
def preset_credentials_unreadable(*, user_id: str, inputs: list[str]) -> None:
    """Inputs of a user's presets that should be references to credentials are none, and were left
    out: `inputs` are the presets' ids and the inputs' names, of the first 20.

    Somebody else than AutoGPT wrote them. The user can choose the credentials anew.
    """
