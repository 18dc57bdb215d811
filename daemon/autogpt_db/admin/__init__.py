"""The admin listener: what operators and programs that are not AutoGPT see of the service.

A process of its own, so that nothing of it is in main, in the API or in a worker. `runner.py` is
its life, `app.py` which routes there are, `guard.py` who may use them.
"""

from autogpt_db.admin.runner import run_admin

__all__ = ["run_admin"]
