"""The checker finds what it is there to find: each kind of damage, done to a real database."""

from __future__ import annotations

import psycopg
import pytest

from chaos.checker import check
from chaos.history import OK, REFUSED, UNKNOWN, History, Write
from chaos.stages import ROWS

NODE = "the-node"
STORED = """
INSERT INTO platform."AgentNodeExecutionKeyValueData"
    ("userId", key, "agentNodeExecutionId", data)
VALUES ('chaos', 'k', 'k', '{"key": "k"}');
INSERT INTO platform."CreditTransaction"
    ("transactionKey", "userId", amount, type, "runningBalance", metadata)
VALUES ('t', 'user-1', -3, 'USAGE', 999997, '{"graph_exec_id": "s"}');
UPDATE platform."UserBalance" SET balance = 999997 WHERE "userId" = 'user-1';
INSERT INTO platform."AgentGraphExecution" (id, "agentGraphId", "userId", inputs)
VALUES ('the-execution', 'chaos-graph', 'user-1', '{"in": "e"}');
INSERT INTO platform."AgentNodeExecution"
    (id, "agentGraphExecutionId", "agentNodeId", "executionStatus")
VALUES ('the-node', 'the-execution', 'chaos-node', 'COMPLETED');
INSERT INTO platform."AgentNodeExecutionInputOutput"
    (id, name, "time", "referencedByOutputExecId", data)
VALUES ('1', 'o', now(), 'the-node', '{"identity": "the-node/1", "number": 1}'),
       ('2', 'o', now(), 'the-node', '{"identity": "the-node/2", "number": 2}');
"""


@pytest.fixture
def url(database_url: str) -> str:
    with psycopg.connect(database_url) as connection:
        connection.execute(ROWS.encode())
        connection.execute(STORED.encode())
    return database_url


def told() -> History:
    """Return what clients would remember of the rows above."""
    return History(
        writes=[
            Write("key_value", "k", OK, value={"key": "k"}),
            Write("key_value", "nobody-knows", UNKNOWN),
            Write("key_value", "refused", REFUSED),
            Write("spend", "s", OK, keyed=True, value=["user-1", -3, 999997]),
            Write("execution", "e", OK, keyed=True, value=["the-execution", NODE]),
            Write("output", f"{NODE}/1", OK, value=[NODE, 1]),
            Write("output", f"{NODE}/2", OK, value=[NODE, 2]),
            Write("status", NODE, OK, value=3),
        ]
    )


def test_what_is_as_it_was_told_breaks_no_promise(url: str) -> None:
    assert check(told(), url) == []


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ('DELETE FROM platform."AgentNodeExecutionKeyValueData"', "LOST: key_value k"),
        (
            """UPDATE platform."AgentNodeExecutionKeyValueData" SET data = '{"key": "x"}'""",
            "MISDELIVERED: key_value k",
        ),
        (
            """INSERT INTO platform."AgentNodeExecutionKeyValueData"
                   ("userId", key, "agentNodeExecutionId") VALUES ('chaos', 'refused', 'r')""",
            "UNTRUE: key_value refused",
        ),
        (
            """INSERT INTO platform."CreditTransaction"
                   ("transactionKey", "userId", amount, type, "runningBalance", metadata)
               SELECT 'again', "userId", amount, type, "runningBalance", metadata
                 FROM platform."CreditTransaction" WHERE "transactionKey" = 't'""",
            "DOUBLED: spend s (keyed)",
        ),
        (
            """UPDATE platform."CreditTransaction" SET "userId" = 'user-2'
                WHERE "transactionKey" = 't'""",
            "MISDELIVERED: spend s (keyed)",
        ),
        ('UPDATE platform."UserBalance" SET balance = balance + 1', "LEDGER: the balance of"),
        ('DELETE FROM platform."AgentGraphExecution"', "LOST: execution e (keyed)"),
        (
            """UPDATE platform."AgentNodeExecutionInputOutput" SET "time" = "time" - '1 s'::interval
                WHERE id = '2'""",
            f"ORDER: output {NODE}/1",
        ),
        (
            """UPDATE platform."AgentNodeExecution" SET "executionStatus" = 'RUNNING'""",
            f"BACK: {NODE}",
        ),
    ],
)
def test_each_damage_is_found(url: str, damage: str, words: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(damage.encode())
    found = check(told(), url)
    assert any(one.startswith(words) for one in found), found
