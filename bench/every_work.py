"""The works that are measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.works import (
    GetGraphExecution,
    GetNodeExecution,
    Run,
    UpdateNodeExecutionStatus,
    UpsertExecutionOutput,
)
from bench.works_0668 import GetUserCredentials, Run0668
from bench.works_chats import ChatTurn, GetChatMessages50, GetChatMessages1000

if TYPE_CHECKING:
    from bench.works import Work

WORKS: tuple[type[Work], ...] = (
    GetNodeExecution,
    GetGraphExecution,
    GetUserCredentials,
    UpsertExecutionOutput,
    UpdateNodeExecutionStatus,
    Run,
    Run0668,
    ChatTurn,
    GetChatMessages50,
    GetChatMessages1000,
)
