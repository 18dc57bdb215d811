"""Which figures are this process's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.heartbeat import name_in_tree
from autogpt_db.logs.events import api as log
from autogpt_db.metrics.store import Store

if TYPE_CHECKING:
    from autogpt_db.settings import Settings


def open_store(settings: Settings, alone: str = "api") -> Store:
    """Open this process's figures; without room for them they are kept, but others don't see them.

    Args:
        settings: Where the runtime directory is.
        alone: The process's name where supervision gave it none; nobody else sees its figures.
    """
    name = name_in_tree()
    store = Store(settings.paths.runtime if name else None, name or alone)
    if name and not store.shared:
        log.metrics_not_shared(directory=str(settings.paths.runtime))
    return store
