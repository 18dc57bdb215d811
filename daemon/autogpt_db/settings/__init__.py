"""Configuration: one model, explicit sources, all faults reported together."""

from autogpt_db.settings.admin import AdminSettings
from autogpt_db.settings.api import (
    ApiSettings,
    LimitsSettings,
)
from autogpt_db.settings.database import (
    DatabaseSettings,
    EmbeddedSettings,
)
from autogpt_db.settings.declaration import Secret
from autogpt_db.settings.effective import read_effective, write_effective
from autogpt_db.settings.events import EventsSettings
from autogpt_db.settings.features import (
    CreditsSettings,
    EmbeddingsSettings,
    ExpertsSettings,
    IntegrationsSettings,
    LibrarySettings,
    RedisSettings,
)
from autogpt_db.settings.jobs import RetainSettings, WatchSettings
from autogpt_db.settings.model import Settings
from autogpt_db.settings.operation import (
    ON_DEMAND,
    LoggingSettings,
    MetricsSettings,
    SupervisionSettings,
)
from autogpt_db.settings.paths import PROGRAMS_DIRECTORY
from autogpt_db.settings.schedules import WorkerSettings
from autogpt_db.settings.sources import LoadedSettings, load_settings
from autogpt_db.settings.traces import TracesSettings

__all__ = [
    "ON_DEMAND",
    "PROGRAMS_DIRECTORY",
    "AdminSettings",
    "ApiSettings",
    "CreditsSettings",
    "DatabaseSettings",
    "EmbeddedSettings",
    "EmbeddingsSettings",
    "EventsSettings",
    "ExpertsSettings",
    "IntegrationsSettings",
    "LibrarySettings",
    "LimitsSettings",
    "LoadedSettings",
    "LoggingSettings",
    "MetricsSettings",
    "RedisSettings",
    "RetainSettings",
    "Secret",
    "Settings",
    "SupervisionSettings",
    "TracesSettings",
    "WatchSettings",
    "WorkerSettings",
    "load_settings",
    "read_effective",
    "write_effective",
]
