"""Structured logging: events with fields, never blocking, never raising, never lost at start."""

from autogpt_db.logs.bootstrap import bind_process, configure_logging, hold_records, release_held

__all__ = ["bind_process", "configure_logging", "hold_records", "release_held"]
