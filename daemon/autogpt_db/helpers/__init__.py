"""Helper processes: what would hold an event loop for long is computed beside it.

A thread would not do: it holds the interpreter's lock, and the memory that it used stays with the
process. A helper is started when there is work, ended when it has been idle, or has grown, and ends
with the process that it helps.
"""

from autogpt_db.helpers.pool import AT_ONCE, Helpers

__all__ = ["AT_ONCE", "Helpers"]
