"""What jobs measure.

A job writes rows into autogpt_db.job_figure; those are shown whose name stands here (without the
prefix) and whose labels are the family's.
"""

from __future__ import annotations

from autogpt_db.metrics.declaration import gauge

STUCK = gauge(
    "stuck_executions",
    "Executions that do not go on, by what is wrong; 1,000 stands for that many or more.",
    "kind",
)

BATCHES_OVERDUE = gauge(
    "notification_batches_overdue", "Batches of notifications that nobody has sent in time.", "type"
)
BATCHES_OLDEST = gauge(
    "notification_batches_oldest_seconds", "Age of the oldest overdue batch.", "type"
)
BATCHES_OVERSIZED = gauge(
    "notification_batches_oversized", "Batches that are too large for a reply.", "type"
)
BALANCES_CHECKED = gauge(
    "balances_checked", "Users and organizations whose balance was compared with the ledger."
)
BALANCES_DIFFERING = gauge(
    "balances_differing", "Users and organizations whose balance isn't what the ledger says."
)
BALANCES_DIFFERENCE = gauge("balances_difference_cents", "Sum of those differences, in cents.")
TOP_UPS_UNSETTLED = gauge(
    "top_ups_unsettled", "Automatic top-ups of which nobody knows yet what was charged."
)
TOP_UPS_OLDEST = gauge("top_ups_unsettled_oldest_seconds", "Age of the oldest of those.")
BLOCK_EXECUTIONS = gauge(
    "block_executions", "Executions of a block in the period that is measured.", "block_id", "block"
)
BLOCK_ERRORS = gauge(
    "block_error_ratio", "Share of those that failed, from 0 to 1.", "block_id", "block"
)
ACCURACY = gauge(
    "agent_accuracy_percent", "Mean correctness of an agent's runs over three days.", "graph"
)
EMBEDDINGS_WANTED = gauge("embeddings_wanted", "What searches by meaning are to find.")
EMBEDDINGS_THERE = gauge("embeddings_there", "What of it has an embedding.")
RETAIN_ROWS = gauge("retain_rows_deleted", "Rows that the last run of retain has deleted.")
RETAIN_UNFINISHED = gauge("retain_unfinished", "1 when retain has more to delete next time.")
