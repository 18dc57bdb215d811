"""The application: one route per method, one session per request."""

from __future__ import annotations

from collections.abc import AsyncIterator  # noqa: TC003 - FastAPI reads annotations
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

from bench.peers.fastapi_app import chats, later
from bench.peers.fastapi_app.models import (
    GraphExecutionModel,
    GraphExecutionWithNodes,
    NodeExecutionResult,
    NodeModel,
)
from bench.peers.fastapi_app.sessions import (
    Json,
    Session,
    Text,
    clean,
    engine,
    now,
    whole,
)
from bench.peers.fastapi_app.tables import (
    GraphExecution,
    KeyValue,
    Node,
    NodeExecution,
    Status,
    Value,
)
from fastapi import Body, FastAPI, Request
from fastapi.responses import JSONResponse
from sqlalchemy import exists, null, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload, selectinload

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

ALLOWED_FROM = {
    Status.QUEUED: ["INCOMPLETE", "TERMINATED", "REVIEW"],
    Status.RUNNING: ["INCOMPLETE", "QUEUED", "TERMINATED", "REVIEW"],
    Status.COMPLETED: ["RUNNING"],
    Status.FAILED: ["INCOMPLETE", "QUEUED", "RUNNING", "REVIEW"],
    Status.TERMINATED: ["INCOMPLETE", "QUEUED", "RUNNING", "REVIEW"],
    Status.REVIEW: ["RUNNING"],
}
WITH_DATA = (
    joinedload(NodeExecution.graph_execution),
    joinedload(NodeExecution.node),
    selectinload(NodeExecution.inputs),
    selectinload(NodeExecution.outputs),
)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)
app.include_router(later.router)
app.include_router(chats.router)


@app.exception_handler(ValueError)
async def refuse(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"type": "ValueError", "args": [str(error)]}, status_code=400)


@app.exception_handler(IntegrityError)
async def refuse_reference(_request: Request, error: Exception) -> JSONResponse:
    content = {"type": "ForeignKeyViolationError", "args": [str(error)]}
    return JSONResponse(content, status_code=400)


async def read_node_execution(session: AsyncSession, id: str) -> NodeExecution | None:
    statement = select(NodeExecution).where(NodeExecution.id == id).options(*WITH_DATA)
    return (await session.scalars(statement)).one_or_none()


@app.post("/get_node_execution")
async def get_node_execution(session: Session, node_exec_id: Text) -> NodeExecutionResult | None:
    row = await read_node_execution(session, node_exec_id)
    return NodeExecutionResult.of(row) if row else None


@app.post("/get_graph_execution")
async def get_graph_execution(
    session: Session,
    user_id: Text,
    execution_id: Text,
    include_node_executions: Annotated[bool, Body(embed=True)] = False,
) -> GraphExecutionWithNodes | GraphExecutionModel | None:
    row = (
        await session.scalars(
            select(GraphExecution).where(
                GraphExecution.id == execution_id,
                GraphExecution.user_id == user_id,
                ~GraphExecution.is_deleted,
            )
        )
    ).one_or_none()
    if row is None:
        return None
    return await whole(session, row, with_nodes=include_node_executions)


@app.post("/get_node")
async def get_node(session: Session, node_id: Text) -> NodeModel:
    statement = (
        select(Node)
        .where(Node.id == node_id)
        .options(selectinload(Node.input_links), selectinload(Node.output_links))
    )
    row = (await session.scalars(statement)).one_or_none()
    if row is None:
        raise ValueError(f"There is no node {node_id}.")
    return NodeModel.of(row)


@app.post("/update_node_execution_status")
async def update_node_execution_status(
    session: Session,
    node_exec_id: Text,
    status: Annotated[Status, Body(embed=True)],
    execution_data: Annotated[dict[str, Any] | None, Body(embed=True)] = None,
    stats: Annotated[dict[str, Any] | None, Body(embed=True)] = None,
) -> NodeExecutionResult:
    if status is Status.QUEUED and execution_data is None:
        raise ValueError("The status QUEUED must come with execution_data.")
    if status not in ALLOWED_FROM:
        raise ValueError(f"No execution may be set to {status}.")
    values: dict[str, Any] = {"status": status}
    if status is Status.QUEUED:
        values["queued_time"] = now()
    elif status is Status.RUNNING:
        values["started_time"] = now()
    elif status in {Status.COMPLETED, Status.FAILED}:
        values["ended_time"] = now()
    if execution_data:
        values["execution_data"] = clean(execution_data)
    if stats:
        values["stats"] = clean(stats)
    await session.execute(
        update(NodeExecution)
        .where(NodeExecution.id == node_exec_id, NodeExecution.status.in_(ALLOWED_FROM[status]))
        .values(values)
    )
    row = await read_node_execution(session, node_exec_id)
    await session.commit()
    if row is None:
        raise ValueError(f"There is no node execution {node_exec_id}.")
    return NodeExecutionResult.of(row)


@app.post("/upsert_execution_output")
async def upsert_execution_output(
    session: Session, node_exec_id: Text, output_name: Text, output_data: Json
) -> None:
    session.add(
        Value(
            id=str(uuid4()),
            name=output_name,
            time=now(),
            output_of=node_exec_id,
            data=null() if output_data is None else clean(output_data),
        )
    )
    await session.commit()


@app.post("/upsert_execution_input")
async def upsert_execution_input(
    session: Session,
    node_id: Text,
    graph_exec_id: Text,
    input_name: Text,
    input_data: Json,
    node_exec_id: Annotated[str | None, Body(embed=True)] = None,
) -> tuple[NodeExecutionResult, dict[str, Any]]:
    moment = now()
    given = exists().where(
        Value.input_of == NodeExecution.id,
        Value.name == input_name,
        Value.time >= moment - timedelta(hours=24),
    )
    statement = (
        select(NodeExecution)
        .where(
            NodeExecution.graph_execution_id == graph_exec_id,
            NodeExecution.node_id == node_id,
            NodeExecution.status == Status.INCOMPLETE,
            ~given,
        )
        .order_by(NodeExecution.added_time)
        .limit(1)
        .options(
            joinedload(NodeExecution.graph_execution),
            selectinload(NodeExecution.inputs),
            selectinload(NodeExecution.outputs),
        )
    )
    if node_exec_id:
        statement = statement.where(NodeExecution.id == node_exec_id)
    row = (await session.scalars(statement)).one_or_none()
    if row is None and node_exec_id:
        raise ValueError(f"Node execution {node_exec_id} doesn't wait for {input_name}.")
    if row is None:
        row = NodeExecution(
            id=str(uuid4()),
            graph_execution_id=graph_exec_id,
            node_id=node_id,
            added_time=moment,
            status=Status.INCOMPLETE,
        )
        session.add(row)
        await session.flush()
        await session.refresh(row, ["graph_execution", "inputs", "outputs"])
    result = NodeExecutionResult.of(row, block_id="")
    earlier = {value.name: value.data for value in row.inputs}
    session.add(
        Value(
            id=str(uuid4()), name=input_name, time=moment, input_of=row.id, data=clean(input_data)
        )
    )
    await session.commit()
    return result, {**earlier, input_name: input_data}


@app.post("/get_execution_kv_data")
async def get_execution_kv_data(session: Session, user_id: Text, key: Text) -> Any:
    row = await session.get(KeyValue, (user_id, key))
    return (row.data or None) if row else None


@app.post("/set_execution_kv_data")
async def set_execution_kv_data(
    session: Session, user_id: Text, node_exec_id: Text, key: Text, data: Json
) -> Any:
    moment = now()
    statement = insert(KeyValue).values(
        user_id=user_id,
        key=key,
        node_execution_id=node_exec_id,
        data=clean(data),
        created_at=moment,
        updated_at=moment,
    )
    statement = statement.on_conflict_do_update(
        index_elements=[KeyValue.user_id, KeyValue.key],
        set_={
            "agentNodeExecutionId": node_exec_id,
            "data": statement.excluded.data,
            "updatedAt": moment,
        },
    ).returning(KeyValue.data)
    stored = await session.scalar(statement)
    await session.commit()
    return stored or None
