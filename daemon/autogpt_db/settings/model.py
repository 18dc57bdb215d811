"""Every option, declared once: name, type, bounds, default and help.

The file, the environment, the command line, `etc/autogpt-db.toml` and
`docs/reference/settings.md` all derive from these classes.
"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - msgspec reads the annotations
from typing import Annotated

from msgspec import Struct

from autogpt_db.settings.admin import CONNECTIONS, AdminSettings
from autogpt_db.settings.api import (
    ApiSettings,
    IdempotencySettings,
    LimitsSettings,
)
from autogpt_db.settings.database import (
    DatabaseSettings,
    EmbeddedSettings,
)
from autogpt_db.settings.declaration import option
from autogpt_db.settings.events import EventsSettings
from autogpt_db.settings.features import (
    CreditsSettings,
    EmbeddingsSettings,
    ExpertsSettings,
    IntegrationsSettings,
    LibrarySettings,
    LinkingSettings,
    RedisSettings,
)
from autogpt_db.settings.jobs import RetainSettings, WatchSettings
from autogpt_db.settings.operation import (
    LoggingSettings,
    MetricsSettings,
    SupervisionSettings,
)
from autogpt_db.settings.paths import Paths, default_runtime_directory, default_state_directory
from autogpt_db.settings.schedules import WorkerSettings
from autogpt_db.settings.traces import TracesSettings


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole configuration, validated and complete."""

    state_directory: Annotated[
        Path | None,
        option(
            "Where the private PostgreSQL and the lock live. Unset: $STATE_DIRECTORY, else "
            "/var/lib/autogpt-db as root, $XDG_STATE_HOME/autogpt-db otherwise."
        ),
    ] = None
    runtime_directory: Annotated[
        Path | None,
        option(
            "Where sockets and the effective configuration live. Unset: $RUNTIME_DIRECTORY, else "
            "/run/autogpt-db as root, $XDG_RUNTIME_DIR/autogpt-db or state_directory/run otherwise."
        ),
    ] = None
    database: DatabaseSettings = DatabaseSettings()
    embedded: EmbeddedSettings = EmbeddedSettings()
    api: ApiSettings = ApiSettings()
    admin: AdminSettings = AdminSettings()
    limits: LimitsSettings = LimitsSettings()
    idempotency: IdempotencySettings = IdempotencySettings()
    credits: CreditsSettings = CreditsSettings()
    experts: ExpertsSettings = ExpertsSettings()
    embeddings: EmbeddingsSettings = EmbeddingsSettings()
    integrations: IntegrationsSettings = IntegrationsSettings()
    library: LibrarySettings = LibrarySettings()
    linking: LinkingSettings = LinkingSettings()
    redis: RedisSettings = RedisSettings()
    events: EventsSettings = EventsSettings()
    worker: WorkerSettings = WorkerSettings()
    watch: WatchSettings = WatchSettings()
    retain: RetainSettings = RetainSettings()
    logging: LoggingSettings = LoggingSettings()
    metrics: MetricsSettings = MetricsSettings()
    traces: TracesSettings = TracesSettings()
    supervision: SupervisionSettings = SupervisionSettings()

    @property
    def paths(self) -> Paths:
        """Return the directories in effect."""
        state = self.state_directory or default_state_directory()
        return Paths(state, self.runtime_directory or default_runtime_directory(state))

    @property
    def api_files(self) -> int:
        """Return the file descriptors that each API process needs beside its clients'.

        Its connections to PostgreSQL, which are watched over a second one, and each of which may
        just be replaced by another; calls that are passed on; helpers, listeners, metrics and log.
        """
        passed_on = 0 if self.api.fallback_url is None else self.api.fallback_concurrency
        return 3 * self.api_pool_size + passed_on + 48

    @property
    def api_pool_size(self) -> int:
        """Return the connections of each API process, within `database.connection_limit`."""
        limit = self.database.connection_limit
        if limit is None:
            return self.database.pool_size
        left = limit - self.other_connections
        return max(1, min(self.database.pool_size, left // self.api.processes))

    @property
    def other_connections(self) -> int:
        """Return the connections of all processes that are not the API's."""
        return self.worker.processes * self.worker.pool_size + self.admin_pool_size

    @property
    def admin_pool_size(self) -> int:
        """Return the connections of the admin listener."""
        return CONNECTIONS if self.admin.enabled else 0
