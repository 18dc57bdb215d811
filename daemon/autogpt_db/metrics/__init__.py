"""What the service counts and measures, kept where every process of this host can read it.

Each process writes into a file of its own in the runtime directory, mapped into memory: counting
costs no more than adding to a list, what was counted outlives a process that is killed, and any
process answers for all of them.
"""

from autogpt_db.metrics.opening import open_store
from autogpt_db.metrics.requests import RequestCounters
from autogpt_db.metrics.store import Store

__all__ = ["RequestCounters", "Store", "open_store"]
