"""Processes."""

from __future__ import annotations

from autogpt_db.metrics.declaration import counter, gauge

BUILD = gauge("build_info", "Always 1; its labels say what runs.", "version", "python")
PROCESS_UP = gauge(
    "process_up", "1 when supervision takes the process as serving, 0 when not.", "process"
)
PROCESS_RESTARTS = counter(
    "process_restarts_total", "Starts of a process after its first one.", "process"
)
PROCESS_EXITS = counter(
    "process_exits_total",
    "Ends of a process: `stopped` when it was asked to, else how it died.",
    "process",
    "how",
)
PROCESS_LAST_EXIT = gauge(
    "process_last_exit_timestamp_seconds", "When a process ended last, as Unix time.", "process"
)
PROCESS_START = gauge(
    "process_start_time_seconds", "When a process was started, as Unix time.", own=True
)
PROCESS_MEMORY = gauge(
    "process_resident_memory_bytes", "Memory of a process that is in RAM (RSS).", own=True
)
PROCESS_CPU = counter(
    "process_cpu_seconds_total", "Processor time that a process has used since its start.", own=True
)
PROCESS_FILES = gauge("process_open_fds", "Open file descriptors of a process.", own=True)
PROCESS_FILES_MAX = gauge(
    "process_max_fds", "File descriptors that a process may have open.", own=True
)
