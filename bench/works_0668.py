"""Works of AutoGPT v0.6.67 and later: a node and its run as executors call now, and credentials."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import psycopg
from bench.data import PLAIN_BLOCK, Size, identifier
from bench.load import CAPTURED, Request
from bench.works import Run, Work, WrongRowsError, change, output, same
from cryptography.fernet import Fernet

if TYPE_CHECKING:
    from datetime import datetime

    from bench.load import Outcome, Session
    from bench.server import Server

KEY = "YmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gtYmU="
"""What credentials are encrypted with; every server has it."""
OWNERS = 100
OF_OWNER = 20
"""Credentials that `get_user_credentials` is measured with."""
OF_USER = 2
"""Those that a run's user has."""
BALANCE = 1_000_000_000

_ROWS = """
SET session_replication_role = replica;

INSERT INTO platform."Organization" ("id", "name", "slug", "isPersonal", "updatedAt")
SELECT bench.id('o' || u), 'Organization', 'organization-' || u, false, '2025-10-01'
  FROM generate_series(0, %(users)s - 1) AS u
    ON CONFLICT DO NOTHING;

INSERT INTO platform."OrgBalance" ("orgId", "balance", "updatedAt")
SELECT bench.id('o' || u), %(balance)s, '2025-10-01'
  FROM generate_series(0, %(users)s - 1) AS u
    ON CONFLICT DO NOTHING;

INSERT INTO platform."UserWorkspace" ("id", "userId", "updatedAt")
SELECT bench.id('w' || u), bench.id('u' || u), '2025-10-01'
  FROM generate_series(0, %(users)s - 1) AS u
    ON CONFLICT DO NOTHING;

INSERT INTO platform."IntegrationCredential"
       ("id", "organizationId", "ownerType", "ownerId", "provider", "credentialType",
        "displayName", "encryptedPayload", "createdByUserId", "createdAt", "updatedAt")
SELECT given.id, bench.id('o0'), 'USER', given.owner, 'openai', 'api_key', 'A key', given.payload,
       given.owner, timestamp '2025-10-01' + given.place * interval '1 second', '2025-10-01'
  FROM jsonb_to_recordset(%(credentials)s::jsonb)
       AS given (id text, owner text, payload text, place integer)
    ON CONFLICT DO NOTHING;
"""


def credential(owner: str, place: int) -> dict[str, Any]:
    """Return what one of an owner's credentials is: its id says whose."""
    return {
        "id": identifier(f"ic{owner}-{place}"),
        "provider": "openai",
        "title": f"Key {place}",
        "is_managed": False,
        "metadata": {},
        "type": "api_key",
        "api_key": f"sk-{identifier(f'secret{owner}-{place}')}",
        "expires_at": None,
    }


def _prepare(server: Server, database: str, size: Size) -> None:
    fernet = Fernet(KEY)
    owners = {owner(n): OF_OWNER for n in range(OWNERS)}
    owners |= {identifier(f"u{u}"): OF_USER for u in range(size.users)}
    credentials = [
        {
            "id": credential(name, place)["id"],
            "owner": name,
            "payload": fernet.encrypt(json.dumps(credential(name, place)).encode()).decode(),
            "place": place,
        }
        for name, count in owners.items()
        for place in range(count)
    ]
    with (
        server.connect(database) as connection,
        psycopg.ClientCursor(connection) as cursor,  # several statements at once
    ):
        cursor.execute(
            _ROWS.encode(),
            {"users": size.users, "balance": BALANCE, "credentials": json.dumps(credentials)},
        )


def owner(n: int) -> str:
    """Return who has twenty credentials."""
    return identifier(f"owner{n}")


class GetUserCredentials(Work):
    """Twenty of a user's, decrypted."""

    name = "get_user_credentials"
    newest = True

    def prepare(self, server: Server, database: str) -> None:
        _prepare(server, database, self.size)

    def sessions(self, number: int) -> list[Session]:
        chosen = random.Random(number).choices(range(OWNERS), k=1_000)
        return [
            (
                Request(
                    self.name,
                    {"user_id": owner(n)},
                    json.dumps(credential(owner(n), 0)["api_key"]),
                    json.dumps(credential(owner(n), OF_OWNER - 1)["api_key"]),
                ),
            )
            for n in chosen
        ]


class Run0668(Run):
    """An executor's calls for one node of a running graph, and those of its run: fourteen."""

    name = "run_0668"
    newest = True
    spending = 5
    logging = 11

    def prepare(self, server: Server, database: str) -> None:
        _prepare(server, database, self.size)

    def _session(self, number: int, session: int) -> Session:
        e, k = self._node(session)
        execution = identifier(f"e{e}")
        node = identifier(f"a{e % self.size.graphs * 50 + k}")
        user, organization = (identifier(f"{kind}{e % self.size.users}") for kind in "uo")
        own = f'"node_exec_id":"{CAPTURED}"'
        value = output(number, session)

        def moved(to: str) -> Request:
            arguments = {"node_exec_id": CAPTURED, "status": to, **change(to, number)}
            return Request("update_node_execution_status", arguments, own, f'"status":"{to}"')

        about = {"graph_exec_id": execution, "node_exec_id": CAPTURED, "node_id": node}
        return (
            Request("get_or_create_workspace", {"user_id": user}, f'"{user}"'),
            Request(
                "get_graph_execution_meta",
                {"user_id": user, "execution_id": execution},
                f'"id":"{execution}"',
            ),
            Request("get_node", {"node_id": node}, f'"id":"{node}"'),
            Request(
                "upsert_execution_input",
                {
                    "node_id": node,
                    "graph_exec_id": execution,
                    "input_name": "text",
                    "input_data": value,
                },
                f'"node_id":"{node}"',
                f'"graph_exec_id":"{execution}"',
                captures=True,
            ),
            moved("QUEUED"),
            Request(
                "spend_org_credits",
                {
                    "org_id": organization,
                    "user_id": user,
                    "cost": 1,
                    "metadata": {**about, "block_id": PLAIN_BLOCK, "block": "A block"},
                },
                "",
            ),
            moved("RUNNING"),
            Request(
                "get_user_credentials",
                {"user_id": user},
                json.dumps(credential(user, 0)["api_key"]),
                json.dumps(credential(user, OF_USER - 1)["api_key"]),
            ),
            Request(
                "upsert_execution_output",
                {"node_exec_id": CAPTURED, "output_name": "result", "output_data": value},
                "null",
            ),
            Request("get_node_execution", {"node_exec_id": CAPTURED}, own, '"result"'),
            moved("COMPLETED"),
            Request(
                "log_platform_cost",
                {
                    "entry": {
                        **about,
                        "user_id": user,
                        "block_id": PLAIN_BLOCK,
                        "provider": "openai",
                        "cost_microdollars": 250,
                        "input_tokens": 100,
                        "output_tokens": 50,
                        "model": "m-1",
                        "tracking_type": "cost_usd",
                        "tracking_amount": 0.00025,
                        "metadata": {"measurement": number},
                    }
                },
                "null",
            ),
            Request(
                "update_graph_execution_stats",
                {"graph_exec_id": execution, "stats": {"cost": 1, "walltime": 1.5}},
                f'"id":"{execution}"',
            ),
            Request("has_pending_reviews_for_graph_exec", {"graph_exec_id": execution}, "false"),
        )

    def verify(
        self,
        server: Server,
        database: str,
        since: datetime,
        number: int,
        sessions: list[Session],
        outcome: Outcome,
    ) -> None:
        rows = server.execute(
            'SELECT execution."id", execution."executionStatus"::text,'
            "       (execution.\"stats\" -> 'walltime')::bigint,"
            """       (SELECT array_agg(("data" -> 'n')::bigint)
                         FROM platform."AgentNodeExecutionInputOutput"
                        WHERE "referencedByOutputExecId" = execution."id")"""
            '  FROM platform."AgentNodeExecution" AS execution'
            ' WHERE execution."addedTime" >= %s',
            since,
            database=database,
        )
        ended = len(sessions[0]) - 1
        told = Counter(
            (name, "COMPLETED", number, (session,))
            for session, name, answered in outcome.sessions
            if answered >= ended
        )
        found = Counter(
            (name, status, walltime, tuple(outputs or ()))
            for name, status, walltime, outputs in rows
        )
        same(self.name, found, told, outcome.errors)
        for place, table, node, at in (
            (self.spending, "OrgCreditTransaction", "\"metadata\" ->> 'node_exec_id'", "createdAt"),
            (self.logging, "PlatformCostLog", '"nodeExecId"', "createdAt"),
        ):
            entered = server.execute(
                f'SELECT {node} FROM platform."{table}" WHERE "{at}" >= %s',
                since,
                database=database,
            )
            paid = Counter(name for _, name, answered in outcome.sessions if answered > place)
            same(
                f"{self.name}, {table}",
                Counter(name for (name,) in entered),
                paid,
                outcome.errors,
            )
        wrong = server.execute(
            'SELECT account."orgId" FROM platform."OrgBalance" AS account'
            ' WHERE account."balance" <> %s + ('
            '    SELECT COALESCE(sum(entry."amount"), 0)'
            '      FROM platform."OrgCreditTransaction" AS entry'
            '     WHERE entry."orgId" = account."orgId"'
            " )",
            BALANCE,
            database=database,
        )
        if wrong:
            raise WrongRowsError(f"{self.name}: {len(wrong)} balances are not what is entered")
