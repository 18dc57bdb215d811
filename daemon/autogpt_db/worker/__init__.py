"""The worker process: background jobs on a queue in PostgreSQL."""

from autogpt_db.worker.runner import run_worker

__all__ = ["run_worker"]
