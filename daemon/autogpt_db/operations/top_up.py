"""Automatic top-ups: the place where a payment provider would be asked."""

from __future__ import annotations

import structlog

log = structlog.get_logger("autogpt_db.operations")


async def top_up(user_id: str, graph_exec_id: str | None) -> None:
    """Top a user's balance up from their card: not possible without a payment provider.

    Nothing is written then, so that AutoGPT's own services, which have the provider's key, are not
    kept from trying. A failure here must never fail the spending that led to it.

    Args:
        user_id: Whose balance is below their threshold.
        graph_exec_id: The graph execution that it was spent on, if any.
    """
    log.info("auto_top_up_skipped", user_id=user_id, graph_exec_id=graph_exec_id)
