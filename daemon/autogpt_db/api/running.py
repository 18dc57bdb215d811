"""The calls under way in one process: each is a task, has an end, and is answered."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from autogpt_db.api.replies import ReplyHeads
from autogpt_db.errors import CallError, InternalError
from autogpt_db.logs import REQUEST_ID
from autogpt_db.logs.events import api as log
from autogpt_db.spans import SPAN

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from autogpt_db.api.calls import Call
    from autogpt_db.api.flow import Flow
    from autogpt_db.api.memory import Memory
    from autogpt_db.api.unread import UnreadReplies
    from autogpt_db.settings.api import ApiSettings


class Running:
    """The calls under way.

    Args:
        memory: Where their bodies are counted.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._calls: dict[Call, None] = {}  # the oldest first
        self._loop = asyncio.get_running_loop()

    def __len__(self) -> int:
        return len(self._calls)

    def start(self, call: Call, work: Coroutine[Any, Any, bytes | None]) -> Call:
        """Begin a call's work, which returns a JSON document; None: it has replied by itself."""
        self._calls[call] = None
        call.task = self._loop.create_task(self._run(call, work))
        return call

    def expire(self, now: float) -> None:
        """Give up the calls whose deadline is here, at the `time.monotonic()` moment `now`."""
        for call in list(self._calls):
            if call.is_due(now):
                call.expire()
            elif not call.passed_on:
                break  # all later ones have later deadlines

    async def give_up(self, patience: float) -> None:
        """Answer every call now, and wait `patience` seconds at most for their work's end."""
        calls = list(self._calls)
        for call in calls:
            call.end_now()
        if calls:
            await asyncio.wait([call.task for call in calls], timeout=patience)

    async def _run(self, call: Call, work: Coroutine[Any, Any, bytes | None]) -> None:
        """Do a call's work, and see to it that its client hears of it."""
        REQUEST_ID.set(call.request_id)
        if call.policy.tracer is not None:
            # None, too: the task may have been begun by the reply of a call that is traced.
            SPAN.set(call.span)
        try:
            result = await work
        except CallError as error:
            call.failed(error)
        except asyncio.CancelledError:
            if not call.given_up:
                call.fail(InternalError(call.request_id))
                raise
            call.log_late_end("cancelled")
        except Exception as error:  # noqa: BLE001 - whatever it is, the connection lives on
            log.internal_error(method=call.name, exc_info=error)
            call.failed(InternalError(call.request_id))
        else:
            if call.given_up:
                call.log_late_end("done")
            elif result is not None:
                call.reply(200, result)
        finally:
            del self._calls[call]
            self._memory.give(call.held)
            call.log()


@dataclass
class State:
    """What all connections of a process share.

    Attributes:
        limits: The settings' bounds.
        memory: What requests bring.
        unread: What replies wait for their clients to read them.
        running: The calls under way.
        draining: True once the process was asked to stop.
        connections: Those that are open.
        reply_heads: What every reply begins with.
    """

    limits: ApiSettings
    memory: Memory
    unread: UnreadReplies
    running: Running
    draining: bool = False
    connections: set[Flow] = field(default_factory=set)
    reply_heads: ReplyHeads = field(default_factory=ReplyHeads)
