"""The worker process: background jobs on a queue in PostgreSQL.

Nothing is imported here: who shows or administers jobs needs neither the process nor the queue's
library.
"""
