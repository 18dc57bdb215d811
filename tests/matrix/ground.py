"""What a case stands on: a database, a role that is no superuser, a pooler or none, a daemon."""

from __future__ import annotations

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import psycopg

from autogpt_db.database.provisioning.migration import migrate
from daemon_process import DaemonProcess, free_port
from pgbouncer import PgBouncer
from postgres_server import PostgresServer, clone, unique_name
from releases.building import ReleaseDatabases
from typed_commands import typed
from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

STATE = "v0.6.48"
PASSWORD = "matrix"
OWNER = "matrix_owner"
"""Whose everything of ours is in the template; a case's role gets it from there."""

# Whatever a case has set, who breaks and mends is not kept from it.
_UNHINDERED = " ".join(
    f"-c {name}=0"
    for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout",
                 "idle_session_timeout", "default_transaction_read_only")
) + " -c search_path=public"  # fmt: skip

GRANTS = """
GRANT CONNECT, CREATE ON DATABASE "{database}" TO {role};
GRANT USAGE ON SCHEMA platform TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA platform TO {role};
"""
# Before 17 only a view's owner refreshes it.
_VIEWS = (
    "ALTER MATERIALIZED VIEW platform.mv_agent_run_counts OWNER TO {role};"
    "ALTER MATERIALIZED VIEW platform.mv_review_stats OWNER TO {role};"
)

# What is called: methods that start and go through a run, one that reads the marketplace's
# materialized view, and one that only the scheduler calls.
CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("get_user_by_id", {"user_id": "alice"}),
    ("get_graph", {"graph_id": "g1", "version": None, "user_id": "alice"}),
    ("get_graph_execution", {"user_id": "alice", "execution_id": "e1"}),
    ("get_node_executions", {"graph_exec_id": "e1"}),
    ("get_graph_executions", {"user_id": "alice", "created_time_gte": "2026-01-01"}),
    ("get_accuracy_trends_and_alerts", {"graph_id": "g1", "days_back": 36500}),
    ("upsert_execution_output",
     {"node_exec_id": "b1", "output_name": "o", "output_data": "é € \U0001f600"}),
    ("set_execution_kv_data",
     {"user_id": "alice", "node_exec_id": "x1", "key": "k", "data": {"it's": ["\\", 0.1, "€"]}}),
    ("get_execution_kv_data", {"user_id": "alice", "key": "k"}),
    ("update_graph_execution_stats", {"graph_exec_id": "e4", "stats": {"cost": 1}}),
    ("get_store_agents", {}),
    ("cleanup_expired_oauth_tokens", {}),
)  # fmt: skip
_VARIES = frozenset({"upsert_execution_output", "cleanup_expired_oauth_tokens",
                     "update_graph_execution_stats"})  # fmt: skip
"""Whose replies hold moments or counts: only that they succeed is looked at."""


class Answer(NamedTuple):
    """A call's end.

    Attributes:
        method: What was called.
        status: HTTP's number.
        content: The body.
    """

    method: str
    status: int
    content: str


class MatrixServer(PostgresServer):
    """A server that asks for passwords over TCP, and a template that all cases are clones of."""

    def __init__(self) -> None:
        super().__init__({"log_min_messages": "panic"}, free_port())
        # From its file, where a remedy can change it: what its command line says would win.
        del self.settings["max_connections"]
        self._template: str | None = None

    def create(self) -> None:
        super().create()
        (self.directory / "data" / "pg_hba.conf").write_text(
            "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        )

    @property
    def template(self) -> str:
        """Return the database to clone: AutoGPT's with rows, and what is ours, made by `OWNER`."""
        if self._template is None:
            url = ReleaseDatabases(self).fresh(STATE, seeded=True)
            name = url.partition("?")[0].rpartition("/")[2]
            with self.administrator(name) as connection:
                connection.execute(f"CREATE ROLE {OWNER} LOGIN".encode())
                connection.execute(GRANTS.format(database=name, role=OWNER).encode())
            with psycopg.connect(url.replace("://postgres@", f"://{OWNER}@")) as connection:
                connection.autocommit = True
                migrate(connection, schema_name="platform")
            self._template = name
        return self._template

    def administrator(self, database: str) -> psycopg.Connection[Any]:
        """Return a superuser's connection, whatever is set for the database."""
        return psycopg.connect(
            self.url(database), autocommit=True, options=_UNHINDERED, client_encoding="UTF8"
        )


class Ground:
    """One case's database, role, pooler and daemon.

    Args:
        server: Where the database is made.
        pooled: Whether the daemon knows of the pooler only.

    Attributes:
        database: The database's name, as it is now.
        known_as: Its name as the service knows it.
        role: The service's role.
        daemon: The service.
    """

    def __init__(self, server: MatrixServer, *, pooled: bool) -> None:
        self.server = server
        self.pooled = pooled
        self.database = self.known_as = unique_name("matrix")
        self.role = unique_name("service")
        self._databases = {self.database}
        self._exits = ExitStack()
        self._others: list[psycopg.Connection[Any]] = []

    def __enter__(self) -> Self:
        with ExitStack() as exits:
            clone(self.server, self.server.template, self.database)
            exits.callback(self._drop)
            self.execute(f"CREATE ROLE {self.role} LOGIN PASSWORD '{PASSWORD}'")
            self._hand_over()
            url = (
                f"postgresql://{self.role}:{PASSWORD}@127.0.0.1:{self.server.port}/{self.database}"
                "?schema=platform"
            )
            self.pooler = exits.enter_context(PgBouncer(url, pool_size=6)) if self.pooled else None
            self.daemon = DaemonProcess(
                database_url=self.pooler.url if self.pooler else url,
                assignments=[
                    "api.processes=1",
                    "worker.processes=1",
                    "database.pool_size=3",
                    "database.pool_timeout=3",
                    "api.request_deadline=15",
                    "database.startup_timeout=600",
                    "worker.store_views_schedule=never",
                    "worker.oauth_cleanup_schedule=never",
                ],
            )
            exits.push(self.daemon)
            self._exits = exits.pop_all()
        return self

    def restart_server(self) -> None:
        """Restart the server, and have those others there again who were."""
        self.server.stop()
        self.server.start()
        others = len(self._others)
        self._leave()
        self._come(others)

    def __exit__(self, *_error: object) -> None:
        self._exits.close()

    def _hand_over(self) -> None:
        """Give the role what a service's role has."""
        self.execute(f"""
            REVOKE CONNECT ON DATABASE "{self.database}" FROM PUBLIC;
            REASSIGN OWNED BY {OWNER} TO {self.role};
        """)
        self.execute((GRANTS + _VIEWS).format(database=self.database, role=self.role))

    def _drop(self) -> None:
        with self.server.administrator("postgres") as connection:
            for name in self._databases | {self.database}:
                statement = f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'
                connection.execute(statement.encode())
            connection.execute(f"DROP ROLE {self.role}".encode())
            connection.execute("ALTER ROLE ALL RESET ALL")

    # Breaking and mending ------------------------------------------------------------------------

    def execute(self, sql: str, *, elsewhere: bool = False) -> None:
        """Run statements as a superuser; `{role}` and `{database}` in them are this case's.

        Args:
            sql: The statements.
            elsewhere: In another database than the case's own.
        """
        text = sql.replace("{role}", self.role).replace("{database}", self.database)
        with self.server.administrator("postgres" if elsewhere else self.database) as connection:
            while True:
                try:
                    connection.execute(text.encode())
                except psycopg.errors.DeadlockDetected:  # with the running service
                    continue
                break

    def encode(self, encoding: str) -> None:
        """Have the same database in another encoding."""
        self.close_database()
        template = self.server.template
        anew = f"ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0"
        with self.server.administrator("postgres") as connection:
            connection.execute(f'DROP DATABASE "{self.database}"'.encode())
            connection.execute(f'CREATE DATABASE "{self.database}" {anew}'.encode())
        self.shell(f"pg_dump --encoding=UTF8 --dbname={template} | psql --dbname={self.database}")
        self._hand_over()

    def crowd(self, places: int) -> None:
        """Let others take all connections of the server but so many."""
        self.execute("CREATE ROLE crowd LOGIN", elsewhere=True)
        self._exits.callback(self._disperse)
        with suppress(psycopg.OperationalError):  # what is left is for superusers
            while True:
                self._come(1)
        for other in self._others[:places]:
            other.close()
        del self._others[:places]

    def _come(self, others: int) -> None:
        url = self.server.url("postgres").replace("://postgres@", "://crowd@")
        self._others += [psycopg.connect(url, autocommit=True) for _ in range(others)]

    def _leave(self) -> None:
        for other in self._others:
            other.close()
        self._others.clear()

    def _disperse(self) -> None:
        self._leave()
        self.execute("DROP ROLE crowd", elsewhere=True)
        self.execute("ALTER SYSTEM RESET max_connections", elsewhere=True)
        self.restart_server()

    def shell(self, command: str) -> None:
        """Run a command line with PostgreSQL's programs, as an administrator of the server."""
        environment = os.environ | {
            "PATH": f"{self.server.binaries}:{os.environ['PATH']}",
            "PGHOST": str(self.server.directory),
            "PGPORT": str(self.server.port),
            "PGUSER": "postgres",
            "PGOPTIONS": "",
        }
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def name_database(self, name: str) -> None:
        """Name another database in the service's URL."""
        self._databases.add(name)
        url = self.daemon.environment["DATABASE_URL"]
        self.daemon.environment["DATABASE_URL"] = url.replace(f"/{self.known_as}?", f"/{name}?")
        self.database = self.known_as = name

    def close_database(self) -> None:
        """Let nobody into the database, and have nobody there."""
        with self.server.administrator("postgres") as connection:
            connection.execute(f'ALTER DATABASE "{self.database}" ALLOW_CONNECTIONS false'.encode())
            ended = (
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s"
            )
            wait_for(lambda: not connection.execute(ended, (self.database,)).fetchall())

    def open_database(self) -> None:
        """Let everybody in again who may."""
        self.execute('ALTER DATABASE "{database}" ALLOW_CONNECTIONS true', elsewhere=True)

    def end_sessions(self) -> None:
        """End the service's sessions, so that the next ones get what is set now."""
        with self.server.administrator("postgres") as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE usename = %s AND backend_type = 'client backend'",
                (self.role,),
            )

    # Looking -------------------------------------------------------------------------------------

    def answers(self, *, at_once: bool = False) -> list[Answer]:
        """Make every call once.

        Args:
            at_once: Beside each other: where none succeeds, each takes its time.
        """
        if not at_once:
            return [self._answer(*call) for call in CALLS]
        with ThreadPoolExecutor(len(CALLS)) as pool:
            return list(pool.map(lambda call: self._answer(*call), CALLS))

    def _answer(self, method: str, given: dict[str, Any]) -> Answer:
        reply = self.daemon.client.post(f"/{method}", json=given)
        return Answer(method, reply.status_code, reply.text)

    def ready(self) -> bool:
        """Tell whether the service calls itself ready."""
        return self.daemon.client.get("/ready").status_code == 200

    def said(self) -> str:
        """Return all that an operator was told: log, STATUS, and what doctor says now."""
        return "\n".join([*self._logged(), *self.daemon.notified, *self.examined()])

    def examined(self) -> Iterator[str]:
        """Yield what doctor finds wrong."""
        for check in self.findings():
            if check["level"] != "ok":
                yield f"{check['check']}: {check['text']}. {check['remedy']}"

    def findings(self) -> list[dict[str, str]]:
        """Return all that doctor finds."""
        done = typed(self.daemon, "doctor", "--json")
        assert "Traceback" not in done.stderr, done.stderr
        found: list[dict[str, str]] = json.loads(done.stdout)["checks"]
        assert not [one for one in found if "failed itself" in one["text"]], found
        return found

    def _logged(self) -> Iterator[str]:
        for record in self.daemon.events():
            if record.get("level") not in {"debug", "info"}:
                yield " ".join(f"{value}" for value in record.values())


def same(answers: Iterable[Answer], usual: Iterable[Answer]) -> bool:
    """Tell whether every call succeeded, and answered as it does on a sound database."""
    return all(
        one.status == 200 and (one.method in _VARIES or one.content == expected.content)
        for one, expected in zip(answers, usual, strict=True)
    )


def settled(ground: Ground, usual: list[Answer], *, seconds: float) -> None:
    """Wait until every call answers as usual and the service calls itself ready."""

    def well() -> bool:
        return ground.ready() and same(ground.answers(), usual)

    wait_for(well, seconds=seconds, what="the service as usual")
