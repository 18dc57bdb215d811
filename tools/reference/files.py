"""Every generated file of the repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.reference.alerts import alert_rules
from tools.reference.client import client_modules
from tools.reference.completeness import check_methods
from tools.reference.dashboard import dashboard
from tools.reference.events import journal_catalogue, log_fields_page
from tools.reference.index_page import index_page
from tools.reference.jobs_page import jobs_page
from tools.reference.layout import text_of
from tools.reference.manual import manual_pages
from tools.reference.methods_page import methods_page
from tools.reference.metrics_page import metrics_page
from tools.reference.models import models_module
from tools.reference.models_page import models_page
from tools.reference.needs import methods_file, needs_file
from tools.reference.refusals_page import refusals_page
from tools.reference.releases_page import releases_page
from tools.reference.rest_page import rest_page
from tools.reference.schedules import schedules_module
from tools.reference.settings_pages import configuration_file, settings_page
from tools.reference.troubles_page import troubles_page

if TYPE_CHECKING:
    from collections.abc import Mapping


SCHEDULES = "daemon/autogpt_db/settings/schedules.py"
"""Source itself: what else is generated derives from it."""


def generated_files() -> Mapping[str, str]:
    """Return every generated file's text by its path in the repository.

    Raises:
        IncompleteError: Something was added without all that belongs to it.
        RegistrationError: An operation cannot be served.
    """
    check_methods()
    return {
        SCHEDULES: text_of(schedules_module()),
        "etc/autogpt-db.toml": text_of(configuration_file()),
        "docs/reference/settings.md": text_of(settings_page()),
        "docs/reference/jobs.md": text_of(jobs_page()),
        "docs/reference/methods.md": text_of(methods_page()),
        "docs/reference/models.md": text_of(models_page()),
        "docs/reference/rest.md": text_of(rest_page()),
        "docs/reference/log-fields.md": text_of(log_fields_page()),
        "deploy/systemd/autogpt-db.catalog": text_of(journal_catalogue()),
        "docs/reference/metrics.md": text_of(metrics_page()),
        "docs/monitoring/alerts.yml": text_of(alert_rules()),
        "docs/monitoring/dashboard.json": dashboard(),
        "docs/reference/postgresql-refusals.md": refusals_page(),
        "docs/howto/troubleshoot.md": troubles_page(),
        "docs/reference/releases.md": text_of(releases_page()),
        "docs/index.md": text_of(index_page()),
        **manual_pages(),
        "daemon/autogpt_db/models/__init__.py": text_of(models_module()),
        **client_modules(),
        "daemon/autogpt_db/statements/needs.json": text_of(needs_file()),
        "daemon/autogpt_db/statements/methods.json": text_of(methods_file()),
    }
