"""The history against the database: nothing acknowledged is lost, nothing is there twice."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import psycopg

from chaos.history import OK, REFUSED
from chaos.work import RANK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaos.history import History, Write

# Identity and value of every row, as the clients know them.
ROWS = {
    "key_value": """
        SELECT key, data
          FROM platform."AgentNodeExecutionKeyValueData"
         WHERE "userId" = 'chaos'
        """,
    "spend": """
        SELECT metadata->>'graph_exec_id',
               jsonb_build_array("userId", amount, "runningBalance")
          FROM platform."CreditTransaction"
         WHERE type = 'USAGE'
        """,
    "execution": """
        SELECT execution.inputs->>'in',
               jsonb_build_array(execution.id, node.id)
          FROM platform."AgentGraphExecution" AS execution
          JOIN platform."AgentNodeExecution" AS node
            ON node."agentGraphExecutionId" = execution.id
        """,
    "output": """
        SELECT data->>'identity',
               jsonb_build_array("referencedByOutputExecId", data->'number')
          FROM platform."AgentNodeExecutionInputOutput"
         WHERE "referencedByOutputExecId" IS NOT NULL
         ORDER BY "time", id
        """,
}
# Each entry left another balance behind, and the last one's is the account's.
LEDGER = """
SELECT account."userId",
       account.balance,
       sum(entry.amount),
       count(DISTINCT entry."runningBalance"),
       count(*)
  FROM platform."UserBalance" AS account
  JOIN platform."CreditTransaction" AS entry USING ("userId")
 WHERE entry."isActive"
 GROUP BY account."userId", account.balance
"""
STATUSES = """
SELECT id, "executionStatus"::text
  FROM platform."AgentNodeExecution"
"""


def check(history: History, url: str) -> list[str]:
    """Return every broken promise that the database at `url` shows, in words."""
    writes: defaultdict[str, list[Write]] = defaultdict(list)
    for write in history.writes:
        writes[write.kind].append(write)
    broken: list[str] = []
    with psycopg.connect(url) as connection:
        for kind, sql in ROWS.items():
            rows: list[tuple[str, Any]] = connection.execute(sql).fetchall()
            broken += _rows(writes[kind], rows)
            if kind == "output":
                broken += _order(writes[kind], rows)
        broken += _ledger(connection.execute(LEDGER).fetchall())
        broken += _statuses(writes["status"], dict(connection.execute(STATUSES).fetchall()))
    return broken


def _rows(writes: list[Write], rows: list[tuple[str, Any]]) -> Iterator[str]:
    """Hold writes against their rows: as many as were told, with what was sent."""
    stored: defaultdict[str, list[Any]] = defaultdict(list)
    for identity, value in rows:
        stored[identity].append(value)
    for write in writes:
        found = stored.get(write.identity, [])
        name = f"{write.kind} {write.identity}{' (keyed)' if write.keyed else ''}"
        if write.outcome == OK and not found:
            yield f"LOST: {name} was acknowledged"
        if write.outcome == REFUSED and found:
            yield f"UNTRUE: {name} was refused in words that say it was not written"
        if len(found) > 1:
            yield f"DOUBLED: {name} is there {len(found)} times"
        if write.outcome == OK and found and found[0] != write.value:
            yield f"MISDELIVERED: {name}: told {write.value}, stored {found[0]}"


def _order(writes: list[Write], rows: list[tuple[str, Any]]) -> Iterator[str]:
    """Hold outputs against their order: each was sent after the one before was acknowledged."""
    acknowledged = {write.identity for write in writes if write.outcome == OK}
    last: dict[str, int] = {}
    for identity, (node, number) in rows:
        if identity in acknowledged:
            if number <= last.get(node, 0):
                yield f"ORDER: output {identity} stands behind number {last[node]}"
            last[node] = number


def _ledger(rows: list[tuple[Any, ...]]) -> Iterator[str]:
    for user, balance, total, different, entries in rows:
        if balance != total:
            yield f"LEDGER: the balance of {user} is {balance}, its entries make {total}"
        if different != entries:
            yield f"LEDGER: two entries of {user} left the same balance behind"


def _statuses(writes: list[Write], stored: dict[str, str]) -> Iterator[str]:
    for write in writes:
        rank = RANK.get(stored.get(write.identity, ""), -1)
        if write.outcome == OK and rank < write.value:
            yield f"BACK: {write.identity} was set to {write.value}, and is {rank}"
