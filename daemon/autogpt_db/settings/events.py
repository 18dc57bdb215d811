"""Options of live events."""

from __future__ import annotations

from typing import Annotated

from msgspec import Struct

from autogpt_db.settings.declaration import option


class EventsSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Live events: changes of executions and balances, recorded with them for who listens."""

    enabled: Annotated[
        bool,
        option(
            "Record every change of an execution's status and of a balance that is made through "
            "this service, in the transaction that makes it. False: nothing is recorded, and "
            "nothing is spent on it."
        ),
    ] = False
    keep: Annotated[
        float,
        option(
            "Seconds for which events are kept: who comes back within them has missed nothing.",
            ge=60,
            le=604800,
        ),
    ] = 3600.0
    keep_most: Annotated[
        int,
        option(
            "Events that are kept, however young they are; each takes about 400 bytes. What is "
            "more is deleted every five seconds.",
            ge=1000,
            le=10**8,
        ),
    ] = 1_000_000
