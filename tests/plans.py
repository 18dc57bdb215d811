"""A small database that the planner takes for a large one, and the plans that were run on it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
from bench.data import Size, fill

import plans_later

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SMALLER = 100
SIZE = Size(1 / SMALLER, surroundings=1)
"""Users and graphs as in the large one, so that of each user and node there are as many rows."""

ROWS = {
    "AgentGraphExecution": SIZE.executions,
    "AgentNodeExecution": SIZE.node_executions,
    "AgentNodeExecutionInputOutput": 2 * SIZE.node_executions,
    "AgentNodeExecutionKeyValueData": SIZE.node_executions,
    "CreditTransaction": SIZE.node_executions,
    "PendingHumanReview": SIZE.node_executions,
    "NotificationEvent": SIZE.node_executions,
}
"""Tables that grow with every execution, and how many rows they have here."""

LATER_ROWS = plans_later.rows(SIZE)
"""Those that only later releases have."""

# What other methods leave behind, a row for each node execution.
_TRACES = """
SET session_replication_role = replica;

INSERT INTO platform."AgentNodeExecutionKeyValueData"
       ("userId", "key", "agentNodeExecutionId", "data", "updatedAt")
SELECT bench.id('u' || n % {users}), 'key-' || n, bench.id('n' || n), '{{"n": 1}}', '2025-10-01'
  FROM generate_series(0, {node_executions} - 1) AS n;

INSERT INTO platform."UserBalance" ("userId", "balance", "updatedAt")
SELECT bench.id('u' || u), 1000000, '2025-10-01' FROM generate_series(0, {users} - 1) AS u;

INSERT INTO platform."CreditTransaction"
       ("transactionKey", "userId", "amount", "type", "runningBalance", "createdAt")
SELECT 'key-' || n, bench.id('u' || n % {users}), -1, 'USAGE', 1000,
       timestamp '2025-10-01' + n * interval '2 seconds'
  FROM generate_series(0, {node_executions} - 1) AS n;

INSERT INTO platform."PendingHumanReview"
       ("nodeExecId", "userId", "graphExecId", "graphId", "graphVersion", "payload", "status")
SELECT bench.id('n' || n), bench.id('u' || n / 20 % {users}), bench.id('e' || n / 20),
       bench.id('g' || n / 20 % {graphs}), 1, '{{}}', 'APPROVED'
  FROM generate_series(0, {node_executions} - 1) AS n;

INSERT INTO platform."UserNotificationBatch" ("id", "userId", "type")
SELECT bench.id('b' || u), bench.id('u' || u), 'AGENT_RUN'
  FROM generate_series(0, {users} - 1) AS u;

INSERT INTO platform."NotificationEvent"
       ("id", "userNotificationBatchId", "type", "data", "createdAt")
SELECT bench.id('v' || n), bench.id('b' || n % {users}), 'AGENT_RUN', '{{}}',
       timestamp '2025-10-01' + n * interval '2 seconds'
  FROM generate_series(0, {node_executions} - 1) AS n;

INSERT INTO platform."LibraryAgent" ("id", "userId", "agentGraphId", "agentGraphVersion")
SELECT bench.id('y' || g), bench.id('u' || g), bench.id('g' || g), 1
  FROM generate_series(0, {graphs} - 1) AS g;

INSERT INTO platform."Profile"
       ("id", "userId", "name", "username", "description", "links", "updatedAt")
SELECT bench.id('p'), bench.id('u0'), 'Zero', 'zero', '', '{{}}', '2025-10-01';

INSERT INTO platform."StoreListing"
       ("id", "agentGraphId", "owningUserId", "activeVersionId", "hasApprovedVersion", "slug"
        {listed_version})
SELECT bench.id('s'), bench.id('g0'), bench.id('u0'), bench.id('sv'), true, 'graph-0'
       {the_first};

INSERT INTO platform."StoreListingVersion"
       ("id", "agentGraphId", "agentGraphVersion", "name", "subHeading", "description",
        "imageUrls", "categories", "storeListingId", "submissionStatus")
SELECT bench.id('sv'), bench.id('g0'), 1, 'Graph 0', '', '', '{{}}', '{{}}', bench.id('s'),
       'APPROVED';
"""

_LISTED_VERSION = """
SELECT EXISTS (
    SELECT
      FROM information_schema.columns
     WHERE table_name = 'StoreListing' AND column_name = 'agentGraphVersion'
)
"""

# As far apart as in the large one, and up to now: many statements ask for the last days.
_MOMENTS = """
UPDATE platform."AgentGraphExecution"
   SET "createdAt" = {created}, "startedAt" = {created}, "endedAt" = {created};
UPDATE platform."AgentNodeExecution"
   SET "addedTime" = {added}, "queuedTime" = {added},
       "startedTime" = {added}, "endedTime" = {added};
UPDATE platform."AgentNodeExecutionInputOutput" SET "time" = {time};
"""

# A row to a page: whether to read many rows of an index or to go through all in order depends on
# how many pages there are.
_SPREAD = 'ALTER TABLE platform."AgentGraphExecution" SET (fillfactor = 10)'

# What came in since the tables were last analysed: the planner doesn't know of it.
_NEWS = """
INSERT INTO platform."AgentNodeExecutionInputOutput"
       ("id", "name", "time", "referencedByInputExecId", "data")
SELECT bench.id('r' || n), 'text', autogpt_db.now_v1(), bench.id('n' || n), '1'
  FROM generate_series(5000, 9999) AS n;
"""

# Of some columns a sample this small tells the wrong thing: that values of which the large one has
# no more are as many as rows, or the other way round. Negative: a share of the rows.
_DISTINCT = {
    ("AgentGraphExecution", "agentGraphId"): SIZE.graphs,
    ("AgentGraphExecution", "userId"): SIZE.users,
    ("AgentNodeExecution", "agentGraphExecutionId"): -SIZE.executions / SIZE.node_executions,
    ("AgentNodeExecution", "agentNodeId"): SIZE.graphs * 20,
    ("PendingHumanReview", "graphExecId"): -SIZE.executions / SIZE.node_executions,
}

# The planner multiplies rows per page by the pages that there are. No value of a key is common.
_STATISTICS = """
UPDATE pg_statistic AS stored
   SET stakind1 = 0, staop1 = 0, stacoll1 = 0, stanumbers1 = NULL, stavalues1 = NULL
  FROM pg_attribute AS attribute
 WHERE attribute.attrelid = ANY (%(tables)s::regclass[])
   AND attribute.attname = ANY (%(keys)s)
   AND stored.starelid = attribute.attrelid
   AND stored.staattnum = attribute.attnum
   AND stored.stakind1 = 1;

UPDATE pg_class AS stored
   SET reltuples = stored.reltuples * %(smaller)s
  FROM pg_index AS index
 WHERE index.indrelid = ANY (%(tables)s::regclass[])
   AND stored.oid IN (index.indrelid, index.indexrelid)
"""

_PLAN = re.compile(r"duration: [\d.]+ ms  plan:\n((?:\t.*\n)+)")


def make(url: str, *, later: bool = False) -> None:
    """Make the rows in an empty database, and statistics as of one a hundred times as large.

    Args:
        url: The database.
        later: Whether it has the latest release's tables, which get rows as well.
    """
    tables, distinct_values = ROWS, _DISTINCT
    if later:
        tables, distinct_values = tables | LATER_ROWS, distinct_values | plans_later.DISTINCT
    fill(partial(psycopg.connect, url, autocommit=True), SIZE, say=lambda _text: None)
    with psycopg.connect(url, autocommit=True) as connection:
        values: dict[str, Any] = {**SIZE.values(), "node_executions": SIZE.node_executions}
        listed = connection.execute(_LISTED_VERSION).fetchone() == (True,)
        values["listed_version"] = ', "agentGraphVersion"' if listed else ""
        values["the_first"] = ", 1" if listed else ""
        connection.execute(_TRACES.format(**values).encode())
        moments = {name: _stretched(name) for name in ("created", "added", "time")}
        connection.execute(_MOMENTS.format(**moments).encode())
        if later:
            plans_later.make(connection, SIZE)
        connection.execute(_SPREAD.encode())
        for (table, column), distinct in distinct_values.items():
            altered = f'platform."{table}" ALTER COLUMN "{column}"'
            connection.execute(f"ALTER TABLE {altered} SET (n_distinct = {distinct})".encode())
        connection.execute("VACUUM (FULL, ANALYZE)")
        scaled = {
            "smaller": SMALLER,
            "tables": [f'platform."{name}"' for name in tables],
            "keys": [column for _, column in distinct_values],
        }
        with psycopg.ClientCursor(connection) as cursor:  # two statements at once
            cursor.execute(_STATISTICS.encode(), scaled)
        connection.execute(_NEWS.encode())


def _stretched(name: str) -> str:
    """Return a moment of the data, a hundred times as long ago as it is before their end."""
    column = {"created": "createdAt", "added": "addedTime", "time": "time"}[name]
    end = f"timestamp '2025-10-01' + {SIZE.executions} * interval '50 seconds'"
    return f'autogpt_db.now_v1() - ({end} - "{column}") * {SMALLER}'


def explain_everything(url: str, *, generic: bool) -> None:
    """Let every session of a database log the plans that it runs, of functions' insides, too.

    Args:
        url: The database.
        generic: Whether to plan without looking at the values, as PostgreSQL may choose to for a
            statement that is run again and again.
    """
    settings = {
        "session_preload_libraries": "auto_explain",
        "auto_explain.log_min_duration": "0",
        "auto_explain.log_analyze": "on",
        "auto_explain.log_timing": "off",
        "auto_explain.log_nested_statements": "on",
        "auto_explain.log_format": "json",
        "auto_explain.log_level": "warning",
        "plan_cache_mode": f"force_{'generic' if generic else 'custom'}_plan",
    }
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("LOAD 'auto_explain'")
        name = connection.info.dbname
        for setting, value in settings.items():
            connection.execute(f"ALTER DATABASE \"{name}\" SET {setting} = '{value}'".encode())


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan of a table, as it was run.

    Attributes:
        kind: `Seq Scan`, `Index Scan` …
        table: The table.
        index: Its index, or None.
        touched: Rows looked at, all loops together.
        query: The statement.
    """

    kind: str
    table: str
    index: str | None
    touched: float
    query: str

    def __str__(self) -> str:
        by = f" by {self.index}" if self.index else ""
        return f"{self.kind} of {self.table}{by}, {self.touched:.0f} rows touched, in {self.query}"


class Plans:
    """The plans that a server has logged since the last look."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._seen = log.stat().st_size

    def scans(self) -> list[Scan]:
        """Return what was scanned since the last call."""
        with self._log.open(encoding="utf-8", errors="replace") as log:
            log.seek(self._seen)
            text = log.read()
            self._seen = log.tell()
        return [
            scan
            for found in _PLAN.finditer(text)
            for plan in [json.loads(found[1].replace("\n\t", "\n"))]
            for scan in _scans(plan["Plan"], plan["Query Text"])
        ]


def _scans(node: dict[str, Any], query: str) -> Iterator[Scan]:
    if "Relation Name" in node and node["Node Type"].endswith("Scan"):
        rows = sum(
            node.get(name, 0)
            for name in ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
        )
        touched = rows * node.get("Actual Loops", 1)
        yield Scan(node["Node Type"], node["Relation Name"], node.get("Index Name"), touched, query)
    for inner in node.get("Plans", ()):
        yield from _scans(inner, query)
