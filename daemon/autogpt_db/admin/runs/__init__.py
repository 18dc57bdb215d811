"""Runs, to look into: a list of graph executions, and one run's timeline."""

from autogpt_db.admin.runs.routes import routes

__all__ = ["routes"]
