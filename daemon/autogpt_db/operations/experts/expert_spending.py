"""What experts have spent this week, as AutoGPT's executors count it in Redis.

They alone write the counters; here they are read. Where Redis is unset, is away or answers nothing
that is a number, nothing counts as spent: as in AutoGPT, a budget stops no run that it knows
nothing of.
"""

from __future__ import annotations

import asyncio
import importlib
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from autogpt_db.backoff import Backoff
from autogpt_db.gateways.bus import Bus
from autogpt_db.gateways.circuit_breaker import CircuitBreaker
from autogpt_db.gateways.failures import failed
from autogpt_db.logs.events import methods as log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autogpt_db.settings import Settings


PAUSES = Backoff(first=1.0, longest=5.0)
"""Seconds for which a Redis that is away is left alone: calls may hold a connection and a key."""


def week_of(moment: datetime) -> str:
    """Return the week that a moment counts to: `2026-W01`.

    Args:
        moment: With its offset; weeks begin on Mondays, in UTC.
    """
    year, week, _ = moment.astimezone(UTC).isocalendar()
    return f"{year}-W{week:02}"


async def weekly_spending(
    settings: Settings, expert_ids: Sequence[str], moment: datetime | None = None
) -> list[int]:
    """Return what experts have spent in a week, in credits and never less than 0.

    Args:
        settings: Where Redis is.
        expert_ids: The experts.
        moment: In the week; None for now.
    """
    options = settings.redis
    nothing = [0] * len(expert_ids)
    if options.host is None or not expert_ids:
        return nothing
    breaker = breaker_of(options.host, options.port)
    if breaker.open:
        return nothing
    week = week_of(moment or datetime.now(UTC))
    # Imported where it is used, and beside the loop: it takes a second and many megabytes.
    library = await asyncio.to_thread(importlib.import_module, "redis.asyncio")
    try:
        # A run that waits for its start doesn't wait for all the attempts of a Redis that is away.
        async with asyncio.timeout(options.connect_timeout + options.socket_timeout):
            found = await Bus(options).values(
                [f"expert-spend:{each}:{week}" for each in expert_ids]
            )
    except (library.RedisError, OSError) as error:
        failed("redis")
        if breaker.failed() is not None:
            log.expert_spending_unread(
                experts=len(expert_ids), reason=f"{type(error).__name__}: {error}"
            )
        return nothing
    breaker.answered()
    return [_credits(each) for each in found]


@lru_cache(maxsize=1)
def breaker_of(host: str, port: int) -> CircuitBreaker:  # noqa: ARG001 - one for each Redis
    """Return this process's memory of a Redis."""
    return CircuitBreaker(PAUSES)


def _credits(value: bytes | None) -> int:
    try:
        return max(0, int(value or 0))
    except ValueError:
        log.expert_spending_unread(experts=1, reason="the counter is no number")
        return 0
