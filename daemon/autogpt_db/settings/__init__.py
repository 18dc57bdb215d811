"""Configuration: one model, explicit sources, all faults reported together."""

from autogpt_db.settings.effective import read_effective, write_effective
from autogpt_db.settings.model import (
    PROGRAMS_DIRECTORY,
    ApiSettings,
    CreditsSettings,
    DatabaseSettings,
    EmbeddedSettings,
    EmbeddingsSettings,
    IntegrationsSettings,
    LimitsSettings,
    LoggingSettings,
    MetricsSettings,
    RedisSettings,
    Secret,
    Settings,
    SupervisionSettings,
    WorkerSettings,
)
from autogpt_db.settings.sources import LoadedSettings, load_settings

__all__ = [
    "PROGRAMS_DIRECTORY",
    "ApiSettings",
    "CreditsSettings",
    "DatabaseSettings",
    "EmbeddedSettings",
    "EmbeddingsSettings",
    "IntegrationsSettings",
    "LimitsSettings",
    "LoadedSettings",
    "LoggingSettings",
    "MetricsSettings",
    "RedisSettings",
    "Secret",
    "Settings",
    "SupervisionSettings",
    "WorkerSettings",
    "load_settings",
    "read_effective",
    "write_effective",
]
