"""A process's connections to PostgreSQL, and what it asks over them: for those who serve.

`Pool` is opened once in a process and makes a `Call` for each call of an operation; that is the
`Database` which the operation receives, or a `Transaction` inside of it.
"""

from autogpt_db.database.pool.call import Call
from autogpt_db.database.pool.database import Database
from autogpt_db.database.pool.pool import Pool
from autogpt_db.database.pool.transaction import Transaction

__all__ = ["Call", "Database", "Pool", "Transaction"]
