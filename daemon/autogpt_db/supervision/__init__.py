"""The tree of processes: Supervisor inside main, systemd's protocol, the children's heartbeats."""

from autogpt_db.supervision.run import run_processes
from autogpt_db.supervision.systemd import announce

__all__ = ["announce", "run_processes"]
