"""Every generated file of the repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.reference.alerts import alert_rules
from tools.reference.client import modules
from tools.reference.dashboard import dashboard
from tools.reference.events import journal_catalogue, log_fields_page
from tools.reference.jobs_page import jobs_page
from tools.reference.manual import manual_pages
from tools.reference.methods_page import methods_page
from tools.reference.metrics_page import metrics_page
from tools.reference.refusals_page import refusals_page
from tools.reference.releases_page import releases_page
from tools.reference.schedules import schedules_module
from tools.reference.settings_pages import configuration_file, settings_page
from tools.reference.troubles_page import troubles_page

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


SCHEDULES = "daemon/autogpt_db/settings/schedules.py"
"""Source itself: what else is generated derives from it."""


def generated_files(root: Path) -> Mapping[str, str]:
    """Return every generated file's text by its path in the repository.

    Args:
        root: The repository.
    """
    return {
        SCHEDULES: _text(schedules_module()),
        "etc/autogpt-db.toml": _text(configuration_file()),
        "docs/reference/settings.md": _text(settings_page()),
        "docs/reference/jobs.md": _text(jobs_page()),
        "docs/reference/methods.md": _text(methods_page()),
        "docs/reference/log-fields.md": _text(log_fields_page()),
        "deploy/systemd/autogpt-db.catalog": _text(journal_catalogue()),
        "docs/reference/metrics.md": _text(metrics_page()),
        "docs/monitoring/alerts.yml": _text(alert_rules()),
        "docs/monitoring/dashboard.json": dashboard(),
        "docs/reference/postgresql-refusals.md": refusals_page(),
        "docs/howto/troubleshoot.md": troubles_page(),
        "docs/reference/releases.md": _text(releases_page()),
        **manual_pages(),
        **modules(root),
    }


def _text(lines: Iterator[str]) -> str:
    return "\n".join(lines) + "\n"
