"""Before anything is timed: every server answers the same, and what the contract asks."""

from __future__ import annotations

import json
import random
import re
from typing import TYPE_CHECKING, Any

import httpx
from bench.data import identifier
from bench.load import CAPTURED, CAPTURED_NUMBER
from bench.works import Run
from bench.works_0668 import BALANCE, GetUserCredentials, Run0668, owner
from bench.works_chats import (
    OF_TURNING,
    ChatTurn,
    GetChatMessages50,
    GetChatMessages1000,
    said,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bench.contenders import Contender
    from bench.data import Size
    from bench.server import Server
    from bench.works import Work

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")
_UNCLEAN = {"text": "a\u0001b\u007fc", "_sa_x": 1, "k\u0002": [{"_sa": 1, "tab": "\t\\b"}]}


class DifferentAnswersError(AssertionError):
    """Two servers answered the same call differently."""


def check(
    server: Server, contenders: Mapping[str, Contender], size: Size, works: Sequence[Work]
) -> int:
    """Compare the servers' answers; return how many calls were compared.

    Args:
        server: What they stand on.
        contenders: The servers by name.
        size: Of the data.
        works: What is measured: only their rows are there.

    Raises:
        DifferentAnswersError: Two differ.
    """
    answers = {
        name: list(_answers(server, contender, size, {work.name for work in works}))
        for name, contender in contenders.items()
    }
    (reference, expected), *others = answers.items()
    for name, found in others:
        # What a server cannot do comes last.
        shared = expected[: len(found)] if contenders[name].without else expected
        for (call, ours), (_, theirs) in zip(shared, found, strict=True):
            if ours != theirs:
                raise DifferentAnswersError(
                    f"{call}: {reference} and {name} differ in\n"
                    + "\n".join(_differences(ours, theirs))
                )
    return len(expected)


def _differences(ours: Any, theirs: Any, where: str = "reply") -> Iterator[str]:
    """Say where two answers differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict) and ours.keys() == theirs.keys():
        for name in ours:
            yield from _differences(ours[name], theirs[name], f"{where}.{name}")
    elif (
        isinstance(ours, list | tuple)
        and isinstance(theirs, list | tuple)
        and len(ours) == len(theirs)
    ):
        for place, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from _differences(one, other, f"{where}[{place}]")
    elif ours != theirs:
        if isinstance(ours, dict) and isinstance(theirs, dict):
            ours, theirs = sorted(ours), sorted(theirs)
        yield f"{where}: {json.dumps(ours)[:300]} | {json.dumps(theirs)[:300]}"


def _answers(
    server: Server, contender: Contender, size: Size, works: set[str]
) -> Iterator[tuple[str, Any]]:
    works -= contender.without
    base = f"http://127.0.0.1:{contender.port}{contender.prefix}"
    with httpx.Client(base_url=base, timeout=30) as client:
        for method, arguments in _reads(size):
            yield _answer(client, method, arguments)
        server.execute(
            'DELETE FROM platform."AgentNodeExecutionKeyValueData" WHERE "key" LIKE %s',
            "run-%",
            database=contender.database,
        )
        created = CAPTURED
        for method, arguments in _writes(size):
            named = json.loads(json.dumps(arguments).replace(CAPTURED, created))
            call, (ok, answer) = _answer(client, method, named)
            if method == "upsert_execution_input" and created == CAPTURED:
                created = answer[0]["node_exec_id"]
            text = json.dumps(answer).replace(created, CAPTURED)
            yield call.replace(created, CAPTURED), (ok, json.loads(_MOMENT.sub("now", text)))
        if {GetUserCredentials.name, Run0668.name} & works:
            yield from _later_answers(server, client, contender, size)
        if ChatTurn.name in works:
            yield from _turn_answers(server, client, contender, size)
        for work in (GetChatMessages50, GetChatMessages1000):
            if work.name in works:
                yield from _page_answers(client, work(size))


def _later_answers(
    server: Server, client: httpx.Client, contender: Contender, size: Size
) -> Iterator[tuple[str, Any]]:
    """Yield the answers to calls of v0.6.67 and later."""
    server.execute(
        'UPDATE platform."OrgBalance" SET "balance" = %s',
        BALANCE,
        database=contender.database,
    )
    server.execute('DELETE FROM platform."OrgCreditTransaction"', database=contender.database)
    for n in range(3):
        yield _answer(client, "get_user_credentials", {"user_id": owner(n)})
    yield _answer(client, "get_user_credentials", {"user_id": "none"})
    yield _answer(client, "get_graph_execution_meta", {"user_id": "none", "execution_id": "none"})
    session = Run0668(size).sessions(0)[7]
    (last,) = (each for each in session if each.method == "update_graph_execution_stats")
    # What another server's last call has left.
    yield _answer(client, last.method, {**last.arguments, "stats": {"node_count": 2}})
    created = CAPTURED
    for request in session:
        named = json.loads(json.dumps(request.arguments).replace(CAPTURED, created))
        call, (ok, answer) = _answer(client, request.method, named)
        if request.captures:
            created = answer[0]["node_exec_id"]
        text = json.dumps(answer).replace(created, CAPTURED)
        yield call.replace(created, CAPTURED), (ok, json.loads(_MOMENT.sub("now", text)))


def _turn_answers(
    server: Server, client: httpx.Client, contender: Contender, size: Size
) -> Iterator[tuple[str, Any]]:
    """Yield the answers to the calls of a turn, in a chat as it was made."""
    server.execute(
        'DELETE FROM platform."ChatMessage" WHERE "sessionId" = %s AND "sequence" >= %s',
        identifier("chat3"),
        OF_TURNING,
        database=contender.database,
    )
    server.execute(
        'UPDATE platform."ChatSession" SET "totalPromptTokens" = 0, "totalCompletionTokens" = 0'
        ' WHERE "id" = %s',
        identifier("chat3"),
        database=contender.database,
    )
    following = 0
    for request in ChatTurn(size).sessions(0)[3]:
        text = json.dumps(request.arguments).replace(str(CAPTURED_NUMBER), str(following))
        call, (ok, answer) = _answer(client, request.method, json.loads(text))
        if request.counts:
            following = answer
        yield call, (ok, json.loads(_MOMENT.sub("now", json.dumps(answer))))
    moved = {"session_id": identifier("chat3"), "status": "running"}
    yield _answer(client, "update_chat_session_status", {**moved, "expect_status": "queued"})
    yield _answer(client, "update_chat_session_status", {**moved, "user_id": "none"})
    yield _answer(client, "get_next_sequence", {"session_id": "none"})
    yield _answer(client, "update_chat_session", {"session_id": "none"})
    added = {"messages": [said("user", content="a\u0001b")], "start_sequence": 3}
    yield _answer(client, "add_chat_messages_batch", {**added, "session_id": "none"})
    yield _answer(client, "add_chat_messages_batch", {**added, "session_id": identifier("chat3")})


def _page_answers(client: httpx.Client, work: Work) -> Iterator[tuple[str, Any]]:
    for (request,) in work.sessions(0)[:5]:
        yield _answer(client, request.method, request.arguments)


def _answer(client: httpx.Client, method: str, arguments: dict[str, Any]) -> tuple[str, Any]:
    response = client.post(method, json=arguments)
    call = f"{method} {json.dumps(arguments)}"
    if response.status_code != 200:
        return call, (False, None if response.status_code < 500 else response.text)
    return call, (True, response.json())


def _reads(size: Size) -> Iterator[tuple[str, dict[str, Any]]]:
    chosen = random.Random(1)
    for n in chosen.sample(range(size.node_executions), k=300):
        yield "get_node_execution", {"node_exec_id": identifier(f"n{n}")}
    yield "get_node_execution", {"node_exec_id": "none"}
    for e in chosen.sample(range(size.executions), k=20):
        for with_nodes in (True, False):
            arguments: dict[str, Any] = {"include_node_executions": True} if with_nodes else {}
            arguments |= {
                "user_id": identifier(f"u{e % size.users}"),
                "execution_id": identifier(f"e{e}"),
            }
            yield "get_graph_execution", arguments
    yield "get_graph_execution", {"user_id": "none", "execution_id": identifier("e0")}
    yield "get_node", {"node_id": "none"}


def _writes(size: Size) -> Iterator[tuple[str, dict[str, Any]]]:
    run = Run(size)
    yield from ((request.method, request.arguments) for request in run.sessions(0)[5])
    output = {"node_exec_id": CAPTURED, "output_name": "result"}
    # Not U+0000: PostgREST cannot take that in.
    values: tuple[Any, ...] = (_UNCLEAN, None, "text\u0003", [1.5, True, {}], 0)
    for value in values:
        yield "upsert_execution_output", {**output, "output_data": value}
    kept = {"user_id": "u", "key": "run-other", "node_exec_id": "n"}
    values = (_UNCLEAN, 0, None, [{}])
    for value in values:
        yield "set_execution_kv_data", {**kept, "data": value}
    moved = {"node_exec_id": CAPTURED}
    update = "update_node_execution_status"
    yield update, {**moved, "status": "RUNNING"}  # not allowed: as it was
    yield update, {**moved, "status": "QUEUED"}  # refused: no input
    yield update, {"node_exec_id": "none", "status": "RUNNING"}
    yield (
        "upsert_execution_output",
        {"node_exec_id": "none", "output_name": "x", "output_data": 1},
    )
    yield "get_node_execution", {"node_exec_id": CAPTURED}
