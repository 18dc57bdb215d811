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
)
