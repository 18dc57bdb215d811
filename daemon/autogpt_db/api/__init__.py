"""The HTTP server of one API process."""

from autogpt_db.api.runner import run_api

__all__ = ["run_api"]
