"""The copilot's works: the calls of one chat turn, and pages of a chat's messages."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import psycopg
from bench.data import Size, identifier
from bench.load import CAPTURED_NUMBER, Request
from bench.works import MOST_CLIENTS, WORDS, Work, WrongRowsError, same

if TYPE_CHECKING:
    from datetime import datetime

    from bench.load import Outcome, Session
    from bench.server import Server

TURNING = 10 * MOST_CLIENTS
"""Chats that turns are taken in, a multiple of the most clients."""
OF_TURNING = 20
"""Messages that each of those begins with."""
READ = 20
"""Chats that pages are read of."""
OF_READ = 1_200
"""Messages that each of those has."""

_ROWS = """
SET session_replication_role = replica;

INSERT INTO platform."ChatSession"
       ("id", "userId", "title", "credentials", "successfulAgentRuns", "metadata",
        "totalPromptTokens", "totalCompletionTokens", "organizationId", "createdAt", "updatedAt")
SELECT bench.id('chat' || c), bench.id('u' || c %% %(users)s), 'Chat ' || c, '{}',
       jsonb_build_object(bench.id('g' || c), 3),
       '{"kind": "normal", "dry_run": false, "builder_graph_id": null, "source_platform": null,
         "dream_pass_id": null}',
       1000, 500, bench.id('o' || c %% %(users)s), '2025-10-01',
       timestamp '2025-10-01' + c * interval '1 second'
  FROM generate_series(0, %(turning)s + %(read)s - 1) AS c
    ON CONFLICT DO NOTHING;

INSERT INTO platform."ChatMessage"
       ("id", "createdAt", "sessionId", "sequence", "role", "content", "toolCallId", "toolCalls")
SELECT bench.id('message' || c || '-' || n), timestamp '2025-10-01' + n * interval '1 second',
       bench.id('chat' || c), n,
       (ARRAY['user', 'assistant', 'tool', 'assistant'])[1 + n %% 4],
       CASE n %% 4 WHEN 1 THEN NULL ELSE bench.words(n, 280) END,
       CASE n %% 4 WHEN 2 THEN 'call-' || n - 1 END,
       CASE n %% 4 WHEN 1 THEN jsonb_build_array(jsonb_build_object(
           'id', 'call-' || n, 'type', 'function',
           'function', jsonb_build_object('name', 'find_block', 'arguments', '{"query": "mail"}')
       )) END
  FROM generate_series(0, %(turning)s + %(read)s - 1) AS c
 CROSS JOIN LATERAL generate_series(
           0, CASE WHEN c < %(turning)s THEN %(of_turning)s ELSE %(of_read)s END - 1
       ) AS n
    ON CONFLICT DO NOTHING;

INSERT INTO platform."PushSubscription" ("id", "userId", "endpoint", "p256dh", "auth", "updatedAt")
SELECT bench.id('push' || u), bench.id('u' || u), 'https://push.example.com/' || u, 'p', 'a',
       '2025-10-01'
  FROM generate_series(0, %(users)s - 1) AS u
    ON CONFLICT DO NOTHING;
"""


def _prepare(server: Server, database: str, size: Size) -> None:
    with (
        server.connect(database) as connection,
        psycopg.ClientCursor(connection) as cursor,  # several statements at once
    ):
        cursor.execute(
            _ROWS.encode(),
            {
                "users": size.users,
                "turning": TURNING,
                "of_turning": OF_TURNING,
                "read": READ,
                "of_read": OF_READ,
            },
        )


def said(role: str, **members: Any) -> dict[str, Any]:
    """Return a message as the copilot sends it: with all of its members."""
    given = dict.fromkeys(("content", "name", "tool_call_id", "refusal", "tool_calls"))
    return {"role": role, **given, "function_call": None, **members}


TOOL_CALL = {
    "id": "call-1",
    "type": "function",
    "function": {"name": "find_block", "arguments": '{"query": "send an e-mail"}'},
}
SAVES = (
    [said("user", content=WORDS)],
    [
        said("assistant", tool_calls=[TOOL_CALL]),
        said("tool", content=WORDS, tool_call_id="call-1"),
    ],
    [said("assistant", content=WORDS)],
)
"""What each save of a turn adds: the question, a tool's call and answer, the last answer."""


class ChatTurn(Work):
    """What a turn with one tool call takes, that a schedule has started in a chat: seventeen calls.

    The question is saved, then what a tool was asked and has answered, then the last answer.
    """

    name = "chat_turn"
    writes = True
    newest = True

    def prepare(self, server: Server, database: str) -> None:
        _prepare(server, database, self.size)

    def sessions(self, number: int) -> list[Session]:
        return [self._session(number, chat) for chat in range(TURNING)]

    def _session(self, number: int, chat: int) -> Session:
        session, user = identifier(f"chat{chat}"), identifier(f"u{chat % self.size.users}")
        inside = {"session_id": session}
        own = f'"{session}"'

        def counted(status: str) -> Request:
            arguments = {"user_id": user, "status": status}
            return Request("count_chat_sessions_by_status", arguments, "")

        def moved(before: str, after: str) -> Request:
            return Request(
                "update_chat_session_status",
                {**inside, "status": after, "expect_status": before, "user_id": user},
                "true",
            )

        def saved(messages: list[dict[str, Any]]) -> Session:
            return (
                Request("get_next_sequence", inside, "", counts=True),
                Request(
                    "update_chat_session",
                    {
                        **inside,
                        "credentials": {},
                        "successful_agent_runs": {identifier(f"g{chat}"): 3},
                        "successful_agent_schedules": {},
                        "total_prompt_tokens": 1200,
                        "total_completion_tokens": 600,
                    },
                    own,
                ),
                Request(
                    "add_chat_messages_batch",
                    {**inside, "messages": messages, "start_sequence": CAPTURED_NUMBER},
                    str(CAPTURED_NUMBER),
                ),
            )

        question, tool, answer = map(saved, SAVES)
        return (
            counted("queued"),
            counted("running"),
            moved("idle", "running"),
            *question,
            *tool,
            Request("log_platform_cost", {"entry": cost(user, number)}, "null"),
            *answer,
            moved("running", "idle"),
            Request("list_chat_sessions_by_status", {"user_id": user, "status": "queued"}, "[]"),
            Request("set_turn_duration", {**inside, "duration_ms": number % 10**9}, "null"),
            Request("get_user_push_subscriptions", {"user_id": user}, '"endpoint"'),
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
        told: Counter[str] = Counter()
        for (session, step), count in outcome.acknowledged.items():
            request = sessions[session][step]
            if request.method == "add_chat_messages_batch":
                told[request.arguments["session_id"]] += count * len(request.arguments["messages"])
        rows = server.execute(
            'SELECT "sessionId", count(*) FROM platform."ChatMessage"'
            ' WHERE "createdAt" >= %s GROUP BY 1',
            since,
            database=database,
        )
        same(self.name, Counter(dict(rows)), told, outcome.errors)
        gaps = server.execute(
            'SELECT "sessionId" FROM platform."ChatMessage"'
            ' GROUP BY 1 HAVING max("sequence") + 1 <> count(*)',
            database=database,
        )
        if gaps:
            raise WrongRowsError(f"{self.name}: {len(gaps)} chats have gaps in their numbers")
        places = [
            place
            for place, request in enumerate(sessions[0])
            if request.method == "log_platform_cost"
        ]
        paid = Counter(
            {
                identifier(f"u{user}"): sum(
                    outcome.acknowledged.get((chat, place), 0)
                    for chat in range(user, TURNING, self.size.users)
                    for place in places
                )
                for user in range(self.size.users)
            }
        )
        logged = server.execute(
            'SELECT "userId", count(*) FROM platform."PlatformCostLog"'
            " WHERE (\"metadata\" ->> 'measurement')::bigint = %s GROUP BY 1",
            number,
            database=database,
        )
        same(f"{self.name}, PlatformCostLog", Counter(dict(logged)), +paid, outcome.errors)


def cost(user: str, number: int) -> dict[str, Any]:
    """Return what a turn has cost."""
    return {
        "user_id": user,
        "provider": "open_router",
        "block_name": "copilot:SDK",
        "cost_microdollars": 2500,
        "input_tokens": 1000,
        "output_tokens": 500,
        "model": "m-1",
        "tracking_type": "cost_usd",
        "tracking_amount": 0.0025,
        "metadata": {"measurement": number},
    }


class _GetChatMessages(Work):
    """A page of the newest messages of a chat that has more."""

    method = "get_chat_messages_paginated"
    newest = True
    limit: int

    def prepare(self, server: Server, database: str) -> None:
        _prepare(server, database, self.size)

    def sessions(self, number: int) -> list[Session]:
        chosen = random.Random(number).choices(range(TURNING, TURNING + READ), k=1_000)
        return [
            (
                Request(
                    self.method,
                    {"session_id": identifier(f"chat{chat}"), "limit": self.limit},
                    f'"{identifier(f"message{chat}-{OF_READ - 1}")}"',
                    f'"{identifier(f"message{chat}-{OF_READ - self.limit}")}"',
                ),
            )
            for chat in chosen
        ]


class GetChatMessages50(_GetChatMessages):
    name = "get_chat_messages_paginated_50"
    limit = 50


class GetChatMessages1000(_GetChatMessages):
    name = "get_chat_messages_paginated_1000"
    limit = 1_000
