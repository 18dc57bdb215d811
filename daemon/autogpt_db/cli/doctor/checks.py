"""The checks, in the order that an operator would look in."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from autogpt_db.cli.doctor import database, host, service
from autogpt_db.cli.doctor.findings import Finding, Situation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from autogpt_db.cli.control import Loads

_CHECKS: tuple[Callable[[Situation], Iterator[Finding]], ...] = (
    service.configuration,
    host.credentials,
    service.unit,
    service.processes,
    service.addresses,
    service.programs,
    database.reachable,
    database.schema,
    database.encryption_key,
    database.connections,
    database.kept_data,
    host.permissions,
    host.disk_space,
    host.clock,
    host.limits,
)


def examine(sources: Loads) -> list[Finding]:
    """Make every check; one that fails itself is a finding too.

    Args:
        sources: Where the settings are.
    """
    findings: list[Finding] = []
    with closing(Situation(sources)) as situation:
        for check in _CHECKS:
            try:
                findings += check(situation)
            except Exception as error:  # noqa: BLE001 - the other checks go on
                name = check.__name__.replace("_", " ")
                text = f"this check failed itself: {type(error).__name__}: {error}"
                findings.append(Finding("fail", name, text, "Report it."))
    return findings
