"""Plain Starlette and psycopg's pool: one route per method, one statement per request.

The statements are the daemon's own: it is the server around them that is compared.
"""

from __future__ import annotations

import json
import os
import re
import uuid
from contextlib import asynccontextmanager
from typing import Any

from bench import statements
from cryptography.fernet import Fernet
from psycopg.adapt import Loader
from psycopg.errors import ForeignKeyViolation
from psycopg_pool import AsyncConnectionPool
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

ALLOWED = {
    "QUEUED": "{INCOMPLETE,TERMINATED,REVIEW}",
    "RUNNING": "{INCOMPLETE,QUEUED,TERMINATED,REVIEW}",
    "COMPLETED": "{RUNNING}",
    "FAILED": "{INCOMPLETE,QUEUED,RUNNING,REVIEW}",
    "TERMINATED": "{INCOMPLETE,QUEUED,RUNNING,REVIEW}",
    "REVIEW": "{RUNNING}",
}
METADATA = dict.fromkeys(
    (
        "graph_exec_id", "graph_id", "node_id", "node_exec_id", "block_id", "block", "input",
        "reason",
    )
)  # fmt: skip
COST = dict.fromkeys(
    (
        "graph_exec_id", "node_exec_id", "graph_id", "node_id", "block_id", "block_name",
        "credential_id", "cost_microdollars", "input_tokens", "output_tokens",
        "cache_read_tokens", "cache_creation_tokens", "data_size", "duration", "model",
        "tracking_type", "tracking_amount", "metadata",
    )
)  # fmt: skip
CHAT = dict.fromkeys(
    (
        "credentials", "successful_agent_runs", "successful_agent_schedules",
        "total_prompt_tokens", "total_completion_tokens", "title", "organization_id", "team_id",
    )
) | {"update_tenancy": False}  # fmt: skip
PAGE = dict.fromkeys(("before_sequence", "after_sequence", "user_id", "organization_id"))
MOST_BYTES = 2**30
fernet = Fernet(os.environ["KEY"])
CONTROL_CHARACTERS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class BytesLoader(Loader):
    """json as the server wrote it."""

    def load(self, data: Any) -> bytes:
        return bytes(data)


async def configure(connection: Any) -> None:
    connection.adapters.register_loader("json", BytesLoader)


pool = AsyncConnectionPool(
    os.environ["DATABASE"],
    min_size=int(os.environ["POOL"]),
    max_size=int(os.environ["POOL"]),
    open=False,
    configure=configure,
    kwargs={"autocommit": True, "prepare_threshold": 0},
)


@asynccontextmanager
async def lifespan(_app: Starlette) -> Any:
    async with pool:
        await pool.wait()
        yield


def clean(value: Any) -> Any:
    """Clean a JSON value as AutoGPT does before it is stored."""
    if isinstance(value, str):
        return CONTROL_CHARACTERS.sub("", value)
    if isinstance(value, list):
        return [clean(item) for item in value]
    if isinstance(value, dict):
        return {clean(k): clean(v) for k, v in value.items() if not k.startswith("_sa")}
    return value


def text(value: Any) -> str | None:
    return None if value is None else json.dumps(clean(value))


async def rows(sql: str, parameters: dict[str, Any]) -> Any:
    async with pool.connection() as connection:
        cursor = await connection.execute(sql, parameters)
        return await cursor.fetchall()


async def document(sql: str, parameters: dict[str, Any]) -> Any:
    found = await rows(sql, parameters)
    return found[0][0] if found else None


def answer(found: bytes | None) -> Response:
    return Response(found or b"null", media_type="application/json")


async def get_node_execution(request: Any) -> Response:
    arguments = await request.json()
    return answer(
        await document(statements.NODE_EXECUTION, {"node_exec_id": arguments["node_exec_id"]})
    )


async def get_graph_execution(request: Any) -> Response:
    arguments = await request.json()
    if arguments.get("include_node_executions"):
        sql = statements.GRAPH_EXECUTION_WITH_NODES
    else:
        sql = statements.GRAPH_EXECUTION
    parameters = {"user_id": arguments["user_id"], "execution_id": arguments["execution_id"]}
    return answer(await document(sql, parameters))


async def get_node(request: Any) -> Response:
    arguments = await request.json()
    found = await document(statements.NODE, {"node_id": arguments["node_id"]})
    if found is None:
        return error("RecordNotFoundError", "There is no such node.")
    return answer(found)


async def update_node_execution_status(request: Any) -> Response:
    arguments = await request.json()
    status, node_exec_id = arguments["status"], arguments["node_exec_id"]
    data, stats = arguments.get("execution_data"), arguments.get("stats")
    if status not in ALLOWED or (status == "QUEUED" and data is None):
        return error("ValueError", f"{status} cannot be set like that.")
    parameters = {
        "node_exec_id": node_exec_id,
        "status": status,
        "allowed": ALLOWED[status],
        "execution_data": text(data or None),
        "stats": text(stats or None),
    }
    found = await document(statements.UPDATE_STATUS, parameters)
    if found is None:
        found = await document(statements.NODE_EXECUTION, {"node_exec_id": node_exec_id})
    if found is None:
        return error("ValueError", f"There is no node execution {node_exec_id}.")
    return answer(found)


async def upsert_execution_output(request: Any) -> Response:
    arguments = await request.json()
    parameters = {
        "node_exec_id": arguments["node_exec_id"],
        "output_name": arguments["output_name"],
        "output_data": text(arguments["output_data"]),
    }
    try:
        await document(statements.ADD_OUTPUT, parameters)
    except ForeignKeyViolation:
        return error("ForeignKeyViolationError", "There is no such node execution.")
    return answer(None)


async def upsert_execution_input(request: Any) -> Response:
    arguments = await request.json()
    value = arguments["input_data"]
    parameters = {
        "node_id": arguments["node_id"],
        "graph_exec_id": arguments["graph_exec_id"],
        "input_name": arguments["input_name"],
        "input_data": json.dumps(clean(value)),
        "received": json.dumps(value),
        "node_exec_id": arguments.get("node_exec_id"),
    }
    one = statements.FILL_ONE
    any_or_new = statements.FILL_OLDEST_OR_NEW
    try:
        found = await document(one if parameters["node_exec_id"] else any_or_new, parameters)
    except ForeignKeyViolation:
        return error("ForeignKeyViolationError", "There is no such node or graph execution.")
    if found is None:
        return error("ValueError", "That node execution doesn't wait for the input.")
    return answer(found)


async def get_execution_kv_data(request: Any) -> Response:
    arguments = await request.json()
    parameters = {"user_id": arguments["user_id"], "key": arguments["key"]}
    return answer(await document(statements.GET_VALUE, parameters))


async def set_execution_kv_data(request: Any) -> Response:
    arguments = await request.json()
    parameters = {
        "user_id": arguments["user_id"],
        "node_exec_id": arguments["node_exec_id"],
        "key": arguments["key"],
        "data": json.dumps(clean(arguments["data"])),
    }
    return answer(await document(statements.SET_VALUE, parameters))


async def get_or_create_workspace(request: Any) -> Response:
    parameters = {"user_id": (await request.json())["user_id"]}
    found = await document(statements.FIND_WORKSPACE, parameters)
    return answer(found or await document(statements.MAKE_WORKSPACE, parameters))


async def get_graph_execution_meta(request: Any) -> Response:
    arguments = await request.json()
    parameters = {"user_id": arguments["user_id"], "execution_id": arguments["execution_id"]}
    return answer(await document(statements.META, parameters))


async def has_pending_reviews_for_graph_exec(request: Any) -> Response:
    parameters = {"graph_exec_id": (await request.json())["graph_exec_id"]}
    return answer(await document(statements.HAS_PENDING, parameters))


async def update_graph_execution_stats(request: Any) -> Response:
    arguments = await request.json()
    parameters = {
        "graph_exec_id": arguments["graph_exec_id"],
        "status": None,
        "stats": text(arguments["stats"]),
    }
    return answer(await document(statements.UPDATE_STATS, parameters))


async def spend_org_credits(request: Any) -> Response:
    arguments = await request.json()
    parameters = {
        "org_id": arguments["org_id"],
        "user_id": arguments["user_id"],
        "team_id": arguments.get("team_id"),
        "cost": arguments["cost"],
        "metadata": json.dumps(METADATA | arguments["metadata"]),
        "transaction_key": str(uuid.uuid4()),
    }
    _owner, balance = json.loads(await document(statements.SPEND, parameters))
    if balance is None:
        return error("InsufficientBalanceError", "The balance doesn't suffice.")
    return JSONResponse(balance)


async def get_user_credentials(request: Any) -> Response:
    parameters = {"user_id": (await request.json())["user_id"]}
    stored = json.loads(await document(statements.CREDENTIALS, parameters))
    texts = [fernet.decrypt(token) for _, token in stored]
    return Response(b"[" + b",".join(texts) + b"]", media_type="application/json")


async def log_platform_cost(request: Any) -> Response:
    entry = COST | (await request.json())["entry"]
    parameters = {name: entry[name] for name in COST} | {"user_id": entry["user_id"]}
    parameters |= {"provider": entry["provider"].lower(), "entry": json.dumps(clean(entry))}
    await document(statements.LOG_COST, parameters)
    return answer(None)


async def count_chat_sessions_by_status(request: Any) -> Response:
    arguments = await request.json()
    parameters = {"user_id": arguments["user_id"], "status": arguments["status"]}
    return answer(await document(statements.COUNT_CHATS, parameters))


async def list_chat_sessions_by_status(request: Any) -> Response:
    arguments = await request.json()
    parameters = {"user_id": arguments["user_id"], "status": arguments["status"]}
    return answer(await document(statements.LIST_CHATS, parameters))


async def update_chat_session_status(request: Any) -> Response:
    arguments = await request.json()
    parameters = {
        "session_id": arguments["session_id"],
        "status": arguments["status"],
        "expect_status": arguments.get("expect_status"),
        "user_id": arguments.get("user_id"),
    }
    return answer(await document(statements.MOVE_CHAT, parameters))


async def update_chat_session(request: Any) -> Response:
    arguments = CHAT | (await request.json())
    for name in ("credentials", "successful_agent_runs", "successful_agent_schedules"):
        arguments[name] = text(arguments[name])
    return answer(await document(statements.UPDATE_CHAT, arguments))


async def get_next_sequence(request: Any) -> Response:
    parameters = {"session_id": (await request.json())["session_id"]}
    return answer(await document(statements.NEXT_SEQUENCE, parameters))


async def add_chat_messages_batch(request: Any) -> Response:
    arguments = await request.json()
    if not arguments["messages"]:
        return JSONResponse(arguments["start_sequence"])
    parameters = {
        "session_id": arguments["session_id"],
        "messages": text(arguments["messages"]),
        "start_sequence": arguments["start_sequence"],
    }
    start = await document(statements.ADD_MESSAGES, parameters)
    if start is None:
        return error("ForeignKeyViolationError", "There is no such chat.")
    return answer(start)


async def set_turn_duration(request: Any) -> Response:
    arguments = await request.json()
    parameters = {"session_id": arguments["session_id"], "duration_ms": arguments["duration_ms"]}
    return answer(await document(statements.SET_DURATION, parameters))


async def get_user_push_subscriptions(request: Any) -> Response:
    parameters = {"user_id": (await request.json())["user_id"]}
    return answer(await document(statements.PUSH_SUBSCRIPTIONS, parameters))


async def get_chat_messages_paginated(request: Any) -> Response:
    parameters = PAGE | (await request.json()) | {"most_bytes": MOST_BYTES}
    found = await rows(statements.PAGE_OF_MESSAGES, parameters)
    if not found:
        return answer(None)
    session, has_more, *_ = found[0]
    oldest = found[-1][3]
    page = b'{"messages":[%b],"has_more":%b,"oldest_sequence":%b,"session":%b}' % (
        b",".join([row[4] for row in reversed(found) if row[4] is not None]),
        json.dumps(has_more).encode(),
        json.dumps(oldest).encode(),
        session,
    )
    return answer(page)


def error(type: str, message: str) -> Response:
    return JSONResponse({"type": type, "args": [message]}, status_code=400)


METHODS = (
    get_node_execution,
    get_graph_execution,
    get_node,
    update_node_execution_status,
    upsert_execution_output,
    upsert_execution_input,
    get_execution_kv_data,
    set_execution_kv_data,
    get_or_create_workspace,
    get_graph_execution_meta,
    has_pending_reviews_for_graph_exec,
    update_graph_execution_stats,
    spend_org_credits,
    get_user_credentials,
    log_platform_cost,
    count_chat_sessions_by_status,
    list_chat_sessions_by_status,
    update_chat_session_status,
    update_chat_session,
    get_next_sequence,
    add_chat_messages_batch,
    set_turn_duration,
    get_user_push_subscriptions,
    get_chat_messages_paginated,
)

app = Starlette(
    lifespan=lifespan,
    routes=[Route(f"/{method.__name__}", method, methods=["POST"]) for method in METHODS],
)
