"""The private PostgreSQL that runs when no database is configured."""

from autogpt_db.database.provisioning.embedded.server import EmbeddedServer

__all__ = ["EmbeddedServer"]
