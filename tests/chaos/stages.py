"""Where a campaign is played: the installed daemon before one PostgreSQL, a pair, or PgBouncer."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, ClassVar, Self

import psycopg

from chaos.proxy import Proxy
from chaos.servers import DATABASE, CrashSafeServer, Pair, SmallDisk
from chaos.work import BALANCE, GRAPH, NODE, USERS
from daemon_process import DaemonProcess
from pgbouncer import PgBouncer

if TYPE_CHECKING:
    from collections.abc import Mapping

PROCESSES = 2
POOL_SIZE = 4
DEADLINE = 5.0
ASSIGNMENTS = (
    f"api.processes={PROCESSES}",
    f"api.request_deadline={DEADLINE}",
    # A head is held up for two seconds on its way, and a busy machine takes its time besides.
    "api.header_timeout=8",
    "api.body_timeout=5",
    "api.drain_timeout=5",
    f"database.pool_size={POOL_SIZE}",
    "database.pool_timeout=2",
    "database.connect_timeout=2",
    f"database.statement_timeout={DEADLINE}",
    "database.lock_timeout=2",
    "supervision.heartbeat_timeout=2.5",
    "supervision.backoff_max=2",
    "worker.stop_timeout=2",
    "credits.enabled=true",
    # The accounts are filled, so that nothing but what clients spend is in the ledger.
    "credits.monthly_refill=false",
    "logging.requests=failed",
)
ROWS = f"""
INSERT INTO platform."AgentBlock" (id, name, "inputSchema", "outputSchema")
VALUES ('chaos-block', 'chaos-block', '{{}}', '{{}}');
INSERT INTO platform."User" (id, email, "updatedAt")
SELECT 'user-' || number, 'user-' || number || '@example.com', now()
  FROM generate_series(0, {USERS - 1}) AS number;
INSERT INTO platform."UserBalance" ("userId", balance, "updatedAt")
SELECT id, {BALANCE}, now() FROM platform."User";
INSERT INTO platform."CreditTransaction"
    ("transactionKey", "userId", amount, type, "runningBalance")
SELECT 'first-' || id, id, {BALANCE}, 'GRANT', {BALANCE} FROM platform."User";
INSERT INTO platform."AgentGraph" (id, version, "userId")
VALUES ('{GRAPH}', 1, 'user-0');
INSERT INTO platform."AgentNode" (id, "agentBlockId", "agentGraphId", "agentGraphVersion")
VALUES ('{NODE}', 'chaos-block', '{GRAPH}', 1);
"""


class Stage:
    """A daemon and all that stands around it.

    Args:
        seed: What proxies draw from.

    Attributes:
        name: What it is called.
        daemon: The installed program, serving.
        front: The proxy that half of the clients call through.
        backs: The proxies between the daemon and PostgreSQL.
    """

    name: ClassVar[str]

    def __init__(self, seed: str) -> None:
        self.seed = seed
        self.backs: list[Proxy] = []
        self._exits = ExitStack()

    def __enter__(self) -> Self:
        with self._exits:
            url, environment = self._database()
            self.daemon = self._exits.enter_context(
                DaemonProcess(database_url=url, assignments=ASSIGNMENTS, environment=environment)
            )
            with psycopg.connect(self.looking_url) as connection:
                connection.execute(ROWS.encode())
            self.front = self._proxy(self.daemon.port, "front")
            self._exits = self._exits.pop_all()
        return self

    def __exit__(self, *_error: object) -> None:
        self._exits.close()

    @property
    def server(self) -> CrashSafeServer:
        """Return the server that takes writes."""
        raise NotImplementedError

    @property
    def looking_url(self) -> str:
        """Return the URL of the database for those who look at it from outside."""
        return self.server.url(DATABASE)

    def api_pids(self) -> list[int]:
        """Return the pids of the API processes, 0 for one that has none."""
        return [self.daemon.pid_of(f"api:api_{number:02}") for number in range(PROCESSES)]

    def _database(self) -> tuple[str, Mapping[str, str]]:
        """Start what the daemon needs; return its URL, and more of its environment."""
        raise NotImplementedError

    def _proxy(self, target: int, name: str) -> Proxy:
        return self._exits.enter_context(Proxy(target, f"{self.seed}-{name}"))

    def _behind_proxies(self, *ports: int) -> str:
        self.backs = [self._proxy(port, f"back-{number}") for number, port in enumerate(ports)]
        hosts = ",".join(f"127.0.0.1:{proxy.port}" for proxy in self.backs)
        return f"postgresql://postgres@{hosts}/{DATABASE}"


class Single(Stage):
    """One PostgreSQL, on a small disk."""

    name = "single"

    def _database(self) -> tuple[str, Mapping[str, str]]:
        self._server = self._exits.enter_context(SmallDisk())
        self._server.make_database()
        return self._behind_proxies(self._server.port or 0), {}

    @property
    def server(self) -> SmallDisk:
        return self._server


class Paired(Stage):
    """A primary and its synchronous standby, in one URL."""

    name = "pair"

    def _database(self) -> tuple[str, Mapping[str, str]]:
        self.pair = self._exits.enter_context(Pair())
        return self._behind_proxies(*self.pair.ports), {}

    @property
    def server(self) -> CrashSafeServer:
        return self.pair.primary


class Pooled(Stage):
    """One PostgreSQL behind PgBouncer in transaction mode."""

    name = "pooled"

    def _database(self) -> tuple[str, Mapping[str, str]]:
        self._server = self._exits.enter_context(CrashSafeServer())
        self._server.make_database()
        for name, value in (("statement_timeout", "5s"), ("lock_timeout", "2s"),
                            ("idle_in_transaction_session_timeout", "5s")):  # fmt: skip
            self._server.execute(f"ALTER ROLE postgres SET {name} = '{value}'")
        url = f"{self._server.url(DATABASE)}&schema=platform"
        self.pgbouncer = self._exits.enter_context(PgBouncer(url, pool_size=12))
        return self.pgbouncer.url, {"DIRECT_URL": url}

    @property
    def server(self) -> CrashSafeServer:
        return self._server


STAGES: dict[str, type[Stage]] = {each.name: each for each in (Single, Paired, Pooled)}
