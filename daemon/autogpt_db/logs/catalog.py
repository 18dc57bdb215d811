"""The events that need somebody to act, each with the MESSAGE_ID of its journal catalog entry.

`journalctl -x` shows the entry (deploy/systemd/autogpt-db.catalog) below the record.
"""

from __future__ import annotations

MESSAGE_IDS = {
    "cannot_go_on": "6d0e7c1f3f0b4f0d9a3a5b0d1c5c7a01",
    "configuration_invalid": "6d0e7c1f3f0b4f0d9a3a5b0d1c5c7a02",
    "credentials_undecryptable": "6d0e7c1f3f0b4f0d9a3a5b0d1c5c7a03",
    "failed": "6d0e7c1f3f0b4f0d9a3a5b0d1c5c7a04",
    "internal_error": "6d0e7c1f3f0b4f0d9a3a5b0d1c5c7a05",
    "process_exited": "6d0e7c1f3f0b4f0d9a3a5b0d1c5c7a06",
    "process_replaced": "6d0e7c1f3f0b4f0d9a3a5b0d1c5c7a07",
    "program_refused": "6d0e7c1f3f0b4f0d9a3a5b0d1c5c7a11",
    "reload_refused": "6d0e7c1f3f0b4f0d9a3a5b0d1c5c7a08",
    "reload_stopped": "6d0e7c1f3f0b4f0d9a3a5b0d1c5c7a09",
    "waiting_for_database": "6d0e7c1f3f0b4f0d9a3a5b0d1c5c7a10",
}
