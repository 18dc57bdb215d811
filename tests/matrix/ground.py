"""What a case stands on: a database, a role that is no superuser, a pooler or none, a daemon."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import psycopg

from autogpt_db.database.migration import migrate
from daemon_process import DaemonProcess, free_port
from pgbouncer import PgBouncer
from postgres_server import PostgresServer, clone, unique_name
from releases.building import ReleaseDatabases
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
        super().__init__({"log_min_messages": "panic", "max_connections": "100"}, free_port())
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
        self._exits = ExitStack()
        self._known: set[str] = set()

    def __enter__(self) -> Self:
        with ExitStack() as exits:
            clone(self.server, self.server.template, self.database)
            exits.callback(self._drop)
            self.execute(f"""
                REVOKE CONNECT ON DATABASE "{self.database}" FROM PUBLIC;
                CREATE ROLE {self.role} LOGIN PASSWORD '{PASSWORD}';
                REASSIGN OWNED BY {OWNER} TO {self.role};
            """)
            self.execute((GRANTS + _VIEWS).format(database=self.database, role=self.role))
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
                    "database.startup_timeout=600",
                    "worker.store_views_schedule=never",
                    "worker.oauth_cleanup_schedule=never",
                ],
            )
            exits.push(self.daemon)
            self._exits = exits.pop_all()
        return self

    def __exit__(self, *_error: object) -> None:
        self._exits.close()

    def _drop(self) -> None:
        with self.server.administrator("postgres") as connection:
            for statement in (
                f'DROP DATABASE IF EXISTS "{self.database}" WITH (FORCE)',
                f"DROP ROLE {self.role}",
            ):
                connection.execute(statement.encode())

    # Breaking and mending ------------------------------------------------------------------------

    def execute(self, sql: str, *, elsewhere: bool = False) -> None:
        """Run statements as a superuser; `{role}` and `{database}` in them are this case's.

        Args:
            sql: The statements.
            elsewhere: In another database than the case's own.
        """
        text = sql.replace("{role}", self.role).replace("{database}", self.database)
        with self.server.administrator("postgres" if elsewhere else self.database) as connection:
            connection.execute(text.encode())

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

    def answers(self) -> list[Answer]:
        """Make every call once."""
        return [
            Answer(method, (reply := self.daemon.client.post(f"/{method}", json=given)).status_code,
                   reply.text)
            for method, given in CALLS
        ]  # fmt: skip

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
        done = self.daemon.run("doctor", "--json")
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


_STATEMENT = re.compile(r"\b(?:(?:GRANT|ALTER|CREATE|DROP) [^;\n]*|SELECT pg_\w+\(\));")
_COMMAND = re.compile(r"`autogpt-db ([a-z][a-z -]*)`")
_RESTART = "restart the pooler"


class Remedies(NamedTuple):
    """What a text tells somebody to do.

    Attributes:
        statements: SQL, in the order it is printed.
        commands: Words after the program's name.
        pooler: Whether the pooler is to be restarted.
    """

    statements: tuple[str, ...]
    commands: tuple[tuple[str, ...], ...]
    pooler: bool

    @classmethod
    def printed_in(cls, text: str, *, meant: str = "") -> Remedies:
        """Take every remedy from what was printed.

        Args:
            text: What was printed.
            meant: What "…" in it stands for.
        """
        statements = dict.fromkeys(
            match[0].replace("…", meant)
            for match in _STATEMENT.finditer(text)
            if meant or "…" not in match[0]
        )
        commands = dict.fromkeys(tuple(match[1].split()) for match in _COMMAND.finditer(text))
        looks = {"doctor", "status", "methods", "dsn", "config", "check", "jobs", "run"}
        acts = tuple(words for words in commands if words[0] not in looks)
        return cls(tuple(statements), acts, _RESTART in text)


def carry_out(ground: Ground, remedies: Remedies) -> None:
    """Do what was printed, as an administrator would."""
    for statement in remedies.statements:
        ground.execute(statement, elsewhere=statement.startswith("ALTER DATABASE"))
    if remedies.pooler and ground.pooler is not None:
        ground.pooler.restart()
    for words in remedies.commands:
        done = ground.daemon.run(*words)
        assert done.returncode == 0, (words, done.stdout, done.stderr)


def settled(ground: Ground, usual: list[Answer], *, seconds: float) -> None:
    """Wait until every call answers as usual and the service calls itself ready."""

    def well() -> bool:
        ready = ground.daemon.client.get("/ready").status_code == 200
        return ready and same(ground.answers(), usual)

    wait_for(well, seconds=seconds, what="the service as usual")
