"""What every route needs: a session, arguments, and values as AutoGPT stores them."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator  # noqa: TC003 - FastAPI reads annotations
from datetime import UTC, datetime
from typing import Annotated, Any

from bench.peers.fastapi_app.models import GraphExecutionModel, graph_execution
from bench.peers.fastapi_app.tables import GraphExecution, Node, NodeExecution, Status
from fastapi import Body, Depends
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import contains_eager, joinedload, selectinload

from autogpt_db.operations.graphs.blocks import INPUT_BLOCKS, OUTPUT_BLOCKS, WEBHOOK_BLOCKS

CONTROL_CHARACTERS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

engine = create_async_engine(
    os.environ["DATABASE"], pool_size=int(os.environ["POOL"]), max_overflow=0
)
new_session = async_sessionmaker(engine, expire_on_commit=False)


async def session() -> AsyncIterator[AsyncSession]:
    async with new_session() as opened:
        yield opened


Session = Annotated[AsyncSession, Depends(session)]
# FastAPI sees one body as the argument itself unless told otherwise.
Text = Annotated[str, Body(embed=True)]
Json = Annotated[Any, Body(embed=True)]


def clean(value: Any) -> Any:
    """Clean a JSON value as AutoGPT does before it is stored."""
    if isinstance(value, str):
        return CONTROL_CHARACTERS.sub("", value)
    if isinstance(value, list):
        return [clean(item) for item in value]
    if isinstance(value, dict):
        return {clean(k): clean(v) for k, v in value.items() if not k.startswith("_sa")}
    return value


def now() -> datetime:
    moment = datetime.now(UTC).replace(tzinfo=None)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


async def whole(
    session: AsyncSession, row: GraphExecution, *, with_nodes: bool
) -> GraphExecutionModel:
    """Return a graph execution with what its nodes say."""
    statement = (
        select(NodeExecution)
        .join(NodeExecution.node)
        .where(NodeExecution.graph_execution_id == row.id)
        .order_by(NodeExecution.queued_time.desc(), NodeExecution.added_time.desc())
        .limit(1000)
        .options(
            joinedload(NodeExecution.graph_execution),
            contains_eager(NodeExecution.node),
            selectinload(NodeExecution.inputs),
            selectinload(NodeExecution.outputs),
        )
    )
    if not with_nodes:
        statement = statement.where(
            NodeExecution.status != Status.INCOMPLETE,
            Node.block_id.in_(INPUT_BLOCKS + OUTPUT_BLOCKS + WEBHOOK_BLOCKS),
        )
    loaded = list((await session.scalars(statement)).all())
    return graph_execution(row, loaded, with_nodes=with_nodes)
