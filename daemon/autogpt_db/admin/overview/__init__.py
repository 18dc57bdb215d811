"""The overview: one page, and one stream that keeps it up to date."""

from autogpt_db.admin.overview.routes import routes

__all__ = ["routes"]
