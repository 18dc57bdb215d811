"""Every event that is logged, declared once: a file for each part of the program.

What a record means and what an operator does about it stands at its declaration, and
docs/reference/log-fields.md and the journal's catalogue are made of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from autogpt_db.logs.declaration import EVENTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autogpt_db.logs.declaration import Event

SECTIONS = (
    "starting",
    "database",
    "connections",
    "methods",
    "embedded",
    "api",
    "processes",
    "worker",
    "admin",
    "traces",
)
"""The files, in the order of the page."""


def all_events() -> Mapping[str, Event[Any]]:
    """Return every declared event by its name; else a process knows those that it may log."""
    for section in SECTIONS:
        import_module(f"{__name__}.{section}")
    return EVENTS
