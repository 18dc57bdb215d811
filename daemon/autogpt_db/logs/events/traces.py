"""Traces.

Told by API and worker processes, where spans are sent to a collector (`traces.enabled`).
"""

from __future__ import annotations

from logging import INFO, WARNING

from autogpt_db.logs.declaration import event


@event(WARNING, counter="trace_spans_total")
def traces_not_exported(*, address: str, reason: str) -> None:
    """The collector takes no spans, or not all; calls go on as they did. Told once, until it has
    taken some again.

    See whether a collector listens at `traces.endpoint`, and what it logs. `HTTP 401` or `403`:
    `traces.headers`; `HTTP 404`: the path, which ends with /v1/traces as a rule. Beyond this
    machine the unit's IPAddressDeny= stands in the way: allow the address with `systemctl edit
    autogpt-db` and IPAddressAllow=.
    """


@event(INFO)
def traces_exported_again() -> None:
    """The collector takes spans again."""


@event(INFO)
def traces_left_behind(*, spans: int) -> None:
    """A process has stopped before the collector had taken its last spans; they are lost."""
