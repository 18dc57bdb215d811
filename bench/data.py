"""A large database, the same every time: `python -m bench.data --scale 0.1`.

At full scale 100,000 graph executions, 2,000,000 node executions and 4,000,000 input and output
rows, made by the server itself. Ten graph executions in a row have 200 node executions, the first
of them 50. Every id is the MD5 of a letter and a number, written as a UUID, so that Python, SQL
and pgbench can name any row without asking.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.server import Server

from autogpt_db.database.provisioning.migration import migrate
from autogpt_db.operations.graphs.blocks import INPUT_BLOCKS, OUTPUT_BLOCKS

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from releases.building import build_as_0_1_0

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

OLDEST, NEWEST = TABLES = ("v0.6.48", "v0.6.68")
"""AutoGPT's tables: as autogpt-db 0.1.0 makes them, and as it does now."""
EXECUTIONS = 100_000
NODES_PER_GRAPH = 50
PLAIN_BLOCK = "1ff065e9-88e8-4358-9d82-8dc91f622ba9"
# Node executions before each of ten graph executions, and after the last.
_BEFORE = (0, 50, 66, 82, 98, 115, 132, 149, 166, 183, 200)
_AT_ONCE = 2_000

# Values look random, are the same every time, and depend on the seed.
FUNCTIONS = """
CREATE SCHEMA bench;
CREATE FUNCTION bench.id(name text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN md5(name)::uuid::text;
CREATE FUNCTION bench.pick(number bigint, below integer) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN mod(hashint8extended(number, {seed}) & 9223372036854775807, below)::integer;
CREATE FUNCTION bench.words(number bigint, length integer) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN left(
    md5(number::text) || ' ' || md5(number::text || 'a') || ' ' || md5(number::text || 'b')
    || ' ' || md5(number::text || 'c') || ' ' || md5(number::text || 'd') || ' '
    || md5(number::text || 'e') || ' ' || md5(number::text || 'f') || ' '
    || md5(number::text || 'g') || ' ' || md5(number::text || 'h'),
    length
);
"""

SURROUNDINGS = """
INSERT INTO platform."AgentBlock" ("id", "name", "inputSchema", "outputSchema")
SELECT block, block, '{{}}', '{{}}'
  FROM unnest(ARRAY['{input_block}', '{output_block}', '{plain_block}']) AS block;

INSERT INTO platform."User" ("id", "email", "name", "updatedAt")
SELECT bench.id('u' || u), u || '@example.com', 'User ' || u, '2025-10-01'
  FROM generate_series(0, {users} - 1) AS u;

INSERT INTO platform."AgentGraph" ("id", "version", "name", "description", "userId", "updatedAt")
SELECT bench.id('g' || g), 1, 'Graph ' || g, 'Made for measuring', bench.id('u' || g % {users}),
       '2025-10-01'
  FROM generate_series(0, {graphs} - 1) AS g;

INSERT INTO platform."AgentNode"
       ("id", "agentBlockId", "agentGraphId", "agentGraphVersion", "constantInput", "metadata")
SELECT bench.id('a' || g * {nodes} + k),
       CASE k WHEN 0 THEN '{input_block}' WHEN 15 THEN '{output_block}' ELSE '{plain_block}' END,
       bench.id('g' || g), 1,
       jsonb_build_object('model', 'm-' || k, 'temperature', 0.5, 'prompt', bench.words(k, 200)),
       jsonb_build_object('position', jsonb_build_object('x', k * 10, 'y', g))
  FROM generate_series(0, {graphs} - 1) AS g, generate_series(0, {nodes} - 1) AS k;

INSERT INTO platform."AgentNodeLink"
       ("id", "agentNodeSourceId", "agentNodeSinkId", "sourceName", "sinkName", "isStatic")
SELECT bench.id('l' || g * {nodes} + k), bench.id('a' || g * {nodes} + k),
       bench.id('a' || g * {nodes} + k + 1), 'result', 'text', false
  FROM generate_series(0, {graphs} - 1) AS g, generate_series(0, {nodes} - 2) AS k;
"""

_STATS = """jsonb_build_object(
           'cost', bench.pick(e, 100), 'walltime', bench.pick(e, 60000) / 1000.0,
           'cputime', bench.pick(e, 9000) / 1000.0, 'nodes_walltime', bench.pick(e, 70000) / 1000.0,
           'nodes_cputime', bench.pick(e, 9000) / 1000.0, 'node_count', 20, 'node_error_count', 0,
           'error', NULL, 'activity_status', 'Made ' || bench.words(e, 80),
           'correctness_score', 0.75
       )"""

EXECUTIONS_FROM_TO = f"""
INSERT INTO platform."AgentGraphExecution"
       ("id", "agentGraphId", "agentGraphVersion", "userId", "createdAt", "updatedAt",
        "executionStatus", "startedAt", "endedAt", "stats", "inputs", "credentialInputs",
        "nodesInputMasks", "parentGraphExecutionId")
SELECT bench.id('e' || e), bench.id('g' || e % {{graphs}}), 1, bench.id('u' || e % {{users}}),
       made.at, made.at + interval '1 minute',
       (ARRAY['COMPLETED', 'COMPLETED', 'COMPLETED', 'FAILED', 'TERMINATED'])
           [1 + bench.pick(e, 5)]::platform."AgentExecutionStatus",
       made.at + interval '1 second', made.at + interval '1 minute', {_STATS},
       CASE bench.pick(e, 2) WHEN 0 THEN jsonb_build_object('topic', bench.words(e, 60)) END,
       '{{{{}}}}', '{{{{}}}}',
       CASE WHEN e % 20 = 7 THEN bench.id('e' || e - 7) END
  FROM generate_series({{first}}, {{last}} - 1) AS e
 CROSS JOIN LATERAL (SELECT timestamp '2025-10-01' + e * interval '50 seconds' AS at) AS made;
"""

NODE_EXECUTIONS_FROM_TO = """
INSERT INTO platform."AgentNodeExecution"
       ("id", "agentGraphExecutionId", "agentNodeId", "addedTime", "queuedTime", "startedTime",
        "endedTime", "executionStatus", "stats", "executionData")
SELECT bench.id('n' || n), bench.id('e' || e), bench.id('a' || e % {graphs} * {nodes} + k),
       added.at, added.at + interval '20 milliseconds', added.at + interval '35 milliseconds',
       added.at + (40 + bench.pick(n, 3000)) * interval '1 millisecond',
       (CASE WHEN bench.pick(n, 20) = 0 THEN 'FAILED' ELSE 'COMPLETED' END)
           ::platform."AgentExecutionStatus",
       jsonb_build_object(
           'walltime', bench.pick(n, 3000) / 1000.0, 'cputime', bench.pick(n, 500) / 1000.0,
           'input_size', 300, 'output_size', 400, 'llm_call_count', bench.pick(n, 3), 'error', NULL
       ) || (CASE WHEN bench.pick(n, 200) = 1
             THEN '{{"cleared_inputs": {{"text": ["gone"]}}, "cleared_outputs": {{"result": ["a"]}}}}'
             ELSE '{{}}'
       END)::jsonb,
       CASE
           WHEN k = 0 THEN jsonb_build_object('name', 'topic', 'value', bench.words(n, 60))
           WHEN k = 15 THEN jsonb_build_object('name', 'result', 'value', bench.words(n, 200))
           WHEN bench.pick(n, 5) > 0 THEN jsonb_build_object(
               'text', bench.words(n, 250), 'count', bench.pick(n, 1000), 'deep',
               '[1, {{"a": null}}]'::jsonb
           )
       END
  FROM generate_series({first}, {last} - 1) AS e
 CROSS JOIN LATERAL generate_series(
           0, ('{before}'::integer[])[e % 10 + 2] - ('{before}'::integer[])[e % 10 + 1] - 1
       ) AS k
 CROSS JOIN LATERAL (
        SELECT e / 10 * 200 + ('{before}'::integer[])[e % 10 + 1] + k AS n
       ) AS number
 CROSS JOIN LATERAL (
        SELECT timestamp '2025-10-01' + e * interval '50 seconds'
               + (1000 + k * 1500 + bench.pick(n, 400)) * interval '1 millisecond' AS at
       ) AS added;
"""

# One input and one output each; of ten, one has two outputs and another none.
ROWS_FROM_TO = """
INSERT INTO platform."AgentNodeExecutionInputOutput"
       ("id", "name", "time", "referencedByInputExecId", "referencedByOutputExecId", "data")
SELECT bench.id('i' || n * 4 + j),
       CASE j WHEN 0 THEN 'text' ELSE 'result' END,
       timestamp '2025-10-01' + n / 200 * interval '500 seconds'
       + (n % 200 * 1500 + j * 100) * interval '1 millisecond',
       CASE j WHEN 0 THEN bench.id('n' || n) END,
       CASE j WHEN 0 THEN NULL ELSE bench.id('n' || n) END,
       CASE WHEN bench.pick(n * 4 + j, 50) > 0 THEN jsonb_build_object(
           'value', bench.words(n * 4 + j, 240), 'n', bench.pick(n, 1000), 'tags',
           '["a", "b", 3]'::jsonb
       ) END
  FROM generate_series({first} / 10 * 200, {last} / 10 * 200 - 1) AS n
 CROSS JOIN LATERAL generate_series(0, CASE n % 10 WHEN 0 THEN 2 WHEN 1 THEN 0 ELSE 1 END) AS j;
"""


class Size:
    """How much there is of everything.

    Attributes:
        executions: Graph executions, a multiple of ten.
    """

    def __init__(self, scale: float, *, surroundings: float | None = None) -> None:
        """Scale everything; users and graphs by `surroundings` where that is given."""
        self.executions = _executions(scale)
        self.node_executions = self.executions * 20
        around = self.executions if surroundings is None else _executions(surroundings)
        self.users = max(10, around // 100)
        self.graphs = max(4, around // 500)

    def values(self) -> dict[str, Any]:
        """Return what the statements have to know."""
        return {
            "users": self.users,
            "graphs": self.graphs,
            "nodes": NODES_PER_GRAPH,
            "input_block": INPUT_BLOCKS[0],
            "output_block": OUTPUT_BLOCKS[0],
            "plain_block": PLAIN_BLOCK,
            "before": "{" + ",".join(map(str, _BEFORE)) + "}",
        }


def _executions(scale: float) -> int:
    return max(100, round(EXECUTIONS * scale / 10) * 10)


def identifier(name: str) -> str:
    """Return the id of a row, as `bench.id` does."""
    return str(uuid.UUID(hashlib.md5(name.encode()).hexdigest()))


def make(
    server: Server, size: Size, *, tables: str = NEWEST, seed: int = 1, say: Any = print
) -> str:
    """Return the name of the database of that size; it is made if it isn't there.

    Args:
        server: Where.
        size: How much.
        tables: Of which AutoGPT release; one of `TABLES`.
        seed: Another one gives other values.
        say: Is told how it goes.
    """
    parts = (FUNCTIONS, SURROUNDINGS, EXECUTIONS_FROM_TO, NODE_EXECUTIONS_FROM_TO, ROWS_FROM_TO)
    digest = hashlib.sha256("".join((*parts, str(seed))).encode()).hexdigest()[:8]
    name = f"data_{size.executions}_{digest}" + ("" if tables == NEWEST else f"_{tables}")
    if server.exists(name):
        return name
    began = time.monotonic()
    unfinished = f"{name}_unfinished"
    server.create(unfinished)
    fill(lambda: server.connect(unfinished), size, tables=tables, seed=seed, say=say)
    server.rename(unfinished, name)
    server.checkpoint()
    say(f"  made {name} in {time.monotonic() - began:.0f} s")
    return name


def fill(
    connect: Callable[[], psycopg.Connection[Any]],
    size: Size,
    *,
    tables: str = NEWEST,
    seed: int = 1,
    say: Any = print,
) -> None:
    """Make the schema and the rows in a database.

    Args:
        connect: Opens a connection to it, as a superuser, in autocommit.
        size: How much.
        tables: Of which AutoGPT release; one of `TABLES`.
        seed: Another one gives other values.
        say: Is told how it goes.
    """
    began = time.monotonic()
    values = size.values()
    with connect() as connection:
        if tables == NEWEST:
            migrate(connection, schema_name="platform", create=True)
        else:
            build_as_0_1_0(connection)
        connection.execute(FUNCTIONS.format(seed=seed).encode())
        _prepare(connection)
        connection.execute(SURROUNDINGS.format(**values).encode())
        dropped = _drop_indexes(connection)
    say(f"making {size.executions} graph executions, {size.node_executions} node executions …")
    chunks = [
        f"{EXECUTIONS_FROM_TO.format(first=first, last=last, **values)};"
        f"{NODE_EXECUTIONS_FROM_TO.format(first=first, last=last, **values)};"
        f"{ROWS_FROM_TO.format(first=first, last=last, **values)}"
        for first in range(0, size.executions, _AT_ONCE)
        for last in [min(first + _AT_ONCE, size.executions)]
    ]
    _in_parallel(connect, chunks)
    say(f"  rows after {time.monotonic() - began:.0f} s; indexes …")
    _in_parallel(connect, dropped)
    with connect() as connection:
        connection.execute("VACUUM (ANALYZE)")


def _prepare(connection: psycopg.Connection[Any]) -> None:
    # No checks of references: millions of them would take longer than everything else.
    connection.execute("SET session_replication_role = replica")
    connection.execute("SET synchronous_commit = off")
    connection.execute("SET maintenance_work_mem = '512MB'")


def _drop_indexes(connection: psycopg.Connection[Any]) -> list[str]:
    """Drop the large tables' indexes but for primary keys; return how to make them again."""
    rows = connection.execute(
        "SELECT index.indexrelid::regclass::text, pg_get_indexdef(index.indexrelid)"
        "  FROM pg_index AS index"
        "  JOIN pg_class AS held ON held.oid = index.indrelid"
        " WHERE held.relname LIKE 'Agent%%Execution%%' AND held.relnamespace = 'platform'::regnamespace"
        "   AND NOT index.indisprimary"
    ).fetchall()
    for name, _ in rows:
        connection.execute(f"DROP INDEX {name}".encode())
    return [definition for _, definition in rows]


def _in_parallel(connect: Callable[[], psycopg.Connection[Any]], statements: list[str]) -> None:
    waiting = list(reversed(statements))
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with connect() as connection:
                _prepare(connection)
                while waiting:
                    connection.execute(waiting.pop().encode())
        except BaseException as error:  # noqa: BLE001 - raised again below
            failures.append(error)
            waiting.clear()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0, help="1 is full size")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with Server() as server:
        print(make(server, Size(arguments.scale), seed=arguments.seed))


if __name__ == "__main__":
    main()
