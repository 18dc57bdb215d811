"""PostgreSQL."""

from __future__ import annotations

from autogpt_db.metrics.declaration import counter, gauge

DATABASE_UP = gauge("database_up", "1 when PostgreSQL answered when it was last asked, 0 when not.")
DATABASE_WRITABLE = gauge(
    "database_writable",
    "1 when writes can succeed, 0 while the database refuses all: read-only, or its disk full.",
    own=True,
)
DATABASE_FAULTS = counter(
    "database_faults_total",
    "Statements that the database refused for a reason that somebody has to mend, by cause.",
    "cause",
)
DATABASE_INFO = gauge(
    "database_info", "Always 1; its label says which PostgreSQL it is.", "version"
)
DATABASE_SEEN = gauge(
    "database_observed_timestamp_seconds",
    "When the other figures of the database were taken, as Unix time.",
)
DATABASE_RECOVERY = gauge(
    "database_in_recovery",
    "1 when the server that is reached is a standby, which calls are not sent to.",
)
DATABASE_STANDBYS = gauge(
    "database_standbys", "Standbys that stream from the server. Needs pg_monitor."
)
DATABASE_LAG = gauge(
    "database_replication_lag_seconds",
    "How far the slowest standby is behind. Needs pg_monitor; absent without standbys.",
)
DATABASE_CONNECTIONS = gauge(
    "database_connections", "Connections that the server has, of everyone."
)
DATABASE_CONNECTIONS_MAX = gauge(
    "database_connections_max", "Connections that the server allows (max_connections)."
)
DATABASE_OLDEST = gauge(
    "database_oldest_transaction_seconds",
    "Age of the oldest open transaction. Without pg_monitor: of those of our own role.",
)
DATABASE_SIZE = gauge("database_size_bytes", "Size of the database on disk.")
TABLE_ROWS = gauge("database_table_rows", "Rows of a big table, as PostgreSQL estimates.", "table")
TABLE_DEAD = gauge(
    "database_table_dead_rows", "Dead rows of a big table that vacuum has not removed.", "table"
)
