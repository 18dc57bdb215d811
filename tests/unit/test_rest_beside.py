"""Large replies: one is made at once, few wait, and one more is told to come again."""

from __future__ import annotations

import asyncio
import threading

import pytest
from starlette.responses import Response

from autogpt_db.errors import MemoryExhaustedError
from autogpt_db.rest.beside import MOST, Beside
from waiting import PATIENCE


def test_one_is_made_at_once_and_few_wait() -> None:
    begun: list[int] = []
    released = threading.Event()

    def make() -> Response:
        begun.append(threading.get_ident())
        released.wait(PATIENCE)
        return Response(b"large")

    async def main() -> None:
        beside = Beside()
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as together:
            waiting = [together.create_task(beside.made(make)) for _ in range(MOST)]
            while not begun:
                await asyncio.sleep(0.01)
            with pytest.raises(MemoryExhaustedError) as refused:
                await beside.made(make)
            assert refused.value.status == 503
            assert len(begun) == 1
            released.set()
        assert [task.result().body for task in waiting] == [b"large"] * MOST
        assert threading.get_ident() not in begun
        assert (await beside.made(make)).body == b"large"  # there is room again

    asyncio.run(main())
