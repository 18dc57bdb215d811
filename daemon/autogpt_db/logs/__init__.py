"""Structured logging: events with fields, never blocking, never raising, never lost at start."""

from autogpt_db.logs.bootstrap import (
    FORMAT,
    bind_process,
    configure_logging,
    copy_records,
    format_in_use,
    hold_records,
    records_on_stderr,
    release_held,
    write_line,
)
from autogpt_db.logs.context import REQUEST_ID

__all__ = [
    "FORMAT",
    "REQUEST_ID",
    "bind_process",
    "configure_logging",
    "copy_records",
    "format_in_use",
    "hold_records",
    "records_on_stderr",
    "release_held",
    "write_line",
]
