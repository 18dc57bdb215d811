"""The checks, in the order that an operator would look in."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import psycopg
from structlog.testing import capture_logs

from autogpt_db.cli.doctor import admin, database, host, place, release, service, sessions
from autogpt_db.cli.doctor.findings import Finding, Situation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from structlog.typing import EventDict

    from autogpt_db.cli.runtime import Loads

_CHECKS: tuple[Callable[[Situation], Iterator[Finding]], ...] = (
    service.configuration,
    host.credentials,
    service.unit,
    service.processes,
    service.addresses,
    admin.admin_listener,
    place.listening,
    place.database_in_use,
    service.programs,
    database.reachable,
    database.hosts,
    sessions.pooler,
    sessions.encoding,
    sessions.session_settings,
    sessions.writes,
    sessions.durability,
    sessions.rights,
    database.schema,
    database.own_schema,
    release.release,
    database.encryption_key,
    database.monthly_refill,
    database.expert_budgets,
    database.connections,
    database.kept_data,
    host.permissions,
    host.disk_space,
    host.clock,
    host.limits,
    service.start,
)


def examine(sources: Loads) -> list[Finding]:
    """Make every check; one that fails itself is a finding too.

    Args:
        sources: Where the settings are.
    """
    findings: list[Finding] = []
    with closing(Situation(sources)) as situation:
        for check in _CHECKS:
            name = check.__name__.replace("_", " ")
            with capture_logs() as records:
                try:
                    findings += check(situation)
                except psycopg.Error as error:
                    findings += situation.lose(error)
                except Exception as error:  # noqa: BLE001 - the other checks go on
                    text = f"this check failed itself: {type(error).__name__}: {error}"
                    findings.append(Finding("fail", name, text, "Report it."))
            findings += (_told(name, record) for record in records if _matters(record))
            situation.failed = any(one.level == "fail" and one.check != "unit" for one in findings)
    return findings


def _matters(record: EventDict) -> bool:
    return record["log_level"] in {"warning", "error", "critical"}


def _told(name: str, record: EventDict) -> Finding:
    """Return what the service itself would have logged as a finding."""
    remedy = str(record.pop("remedy", ""))
    words = [f"{key}={value}" for key, value in record.items() if key not in {"event", "log_level"}]
    return Finding("warn", name, " ".join([str(record["event"]), *words]), remedy)
