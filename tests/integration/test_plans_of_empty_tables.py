"""What was planned while a table was empty goes by its index nevertheless, once it is large.

A session keeps the plan of a statement, and that of one in a function, until PostgreSQL has looked
at the table again: autovacuum does so within a minute or so, and not at all where somebody has
switched it off. To read a table that holds nothing is the best plan there is for that moment.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import plans
from autogpt_db.database.pool.idempotency import Outcome, Slot, run_once
from autogpt_db.operations import load_operations
from plans import Plans
from service import Service

if TYPE_CHECKING:
    from autogpt_db.database.pool.database import Database
    from postgres_server import PostgresServer

MERGED = "set_execution_kv_data"
FEW = 10
"""Rows that somebody may look at who asks for a few keys."""

_FILL = """
INSERT INTO autogpt_db.idempotency_key (method, key, fingerprint, status, reply)
SELECT method, 'key-' || n, '', 200, 'null'
  FROM generate_series(1, 5000) AS n, unnest(%(methods)s::text[]) AS method
"""


def test_keys_are_looked_up_by_their_index(
    postgres_server: PostgresServer, database_url: str
) -> None:
    operation = load_operations()[MERGED]

    async def merged(service: Service, key: str) -> None:
        slot = Slot(MERGED, key, bytes(32), 60.0)
        call = service.pool.keyed_call(slot, deadline=time.monotonic() + 60.0, most_bytes=1000)
        body = b'{"user_id": "u", "node_exec_id": "n", "key": "%s", "data": 1}' % key.encode()
        await operation.call(call, operation.decode(body))

    async def by_itself(service: Service, key: str) -> None:
        async def work(_database: Database) -> Outcome:
            return Outcome(200, b"null")

        call = service.pool.call("clear", reads=False)
        assert await run_once(call, Slot("clear", key, bytes(32), 60.0), work) is not None

    plans.explain_everything(database_url, generic=True)
    with Service(database_url, pool_size=1) as service:
        service.rows("VACUUM autogpt_db.idempotency_key")
        logged = Plans(postgres_server.directory / "log")

        def ask(key: str) -> None:
            service.run(merged(service, f"one-{key}"))
            service.run(by_itself(service, f"two-{key}"))

        ask("before")
        planned = [scan for scan in logged.scans() if scan.table == "idempotency_key"]
        service.rows(_FILL, methods=[MERGED, "clear"])
        ask("after")
        scans = [scan for scan in logged.scans() if scan.table == "idempotency_key"]
        assert len(scans) == len(planned) == 2, scans
        far = [scan for scan in scans if scan.kind == "Seq Scan" or scan.touched > FEW]
        assert not far, "\n".join(map(str, far))
