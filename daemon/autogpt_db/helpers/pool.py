"""The helpers of one process: started when there is work, ended when there is none."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from autogpt_db.errors import BodyTooCostlyError, ServiceUnavailableError
from autogpt_db.helpers import frames
from autogpt_db.logs.events import api as log

if TYPE_CHECKING:
    from collections.abc import Callable

AT_ONCE = 2
"""Helpers of each kind, quick and for the background, that one process has at most."""
QUICK = 1024 * 1024
"""Bytes that are looked at so soon that it need not be done in the background."""
MOST_PROCESSOR_TIME = 30.0
"""Seconds of it that one request may take; the kernel ends a helper that takes more."""
IDLE = 30.0
"""Seconds without work after which a helper is ended; starting one takes half a second."""

_BUFFER = 4 * 1024 * 1024  # the kernel takes as much of it as it allows
_INHERITED = ("PATH", "HOME", "LANG", "LC_", "TZ", "PYTHON", "LD_", "AUTOGPT_DB_TEST_")


class HelperLostError(Exception):
    """A helper ended before it answered."""


class Helpers:
    """Up to `AT_ONCE` helper processes for what is soon done, and as many for the background.

    Those for the background get what processor time nobody else wants, for they may compute for
    seconds beside calls that take a millisecond. What is soon done does not wait behind them.

    Args:
        memory: Bytes that each may use for one request.
        processor_time: Seconds of it that each may take for one request.
    """

    def __init__(self, memory: int, *, processor_time: float = MOST_PROCESSOR_TIME) -> None:
        self._bounds = memory, processor_time
        self._places = {kind: asyncio.Semaphore(AT_ONCE) for kind in (False, True)}
        self._idle: list[_Helper] = []
        self._busy: set[_Helper] = set()
        self._ending: set[asyncio.Task[int]] = set()

    async def run(self, function: Callable[..., Any], *arguments: Any, size: int = 0) -> Any:
        """Return what a function returns that runs in a helper, when one is free.

        Cancelled, it ends the helper: nothing else stops what is being computed.

        Args:
            function: A module's, of ours.
            arguments: Its own, and what can be pickled.
            size: Bytes that it has to look at.

        Raises:
            AutogptDbError: What the function raised.
            BodyTooCostlyError: It took too much time or memory.
            ServiceUnavailableError: The helper was killed, or none could be started.
        """
        background = size > QUICK
        async with self._places[background]:
            request = frames.request(function, arguments)
            del arguments
            helper = self._take(background)
            try:
                reply = await helper.ask(request)
            except HelperLostError:
                code = await self._end(helper)
                raise self._loss(code, function.__name__) from None
            except BaseException:
                self._end(helper)
                raise
            self._busy.discard(helper)
            if reply.ends:
                self._end(helper)
            else:
                helper.idle = asyncio.get_running_loop().call_later(IDLE, self._retire, helper)
                self._idle.append(helper)
        return reply.value()

    @property
    def running(self) -> int:
        """Return how many processes there are."""
        return len(self._idle) + len(self._busy)

    async def aclose(self) -> None:
        """End all of them."""
        for helper in (*self._idle, *self._busy):
            self._end(helper)
        if self._ending:
            await asyncio.wait(list(self._ending))

    def _take(self, background: bool) -> _Helper:
        helper = next((one for one in self._idle if one.background == background), None)
        if helper is None:
            helper = self._start(background)
        else:
            self._idle.remove(helper)
        if helper.idle is not None:
            helper.idle.cancel()
            helper.idle = None
        if helper.process.poll() is not None:  # killed while it was idle
            self._end(helper)
            helper = self._start(background)
        self._busy.add(helper)
        return helper

    def _start(self, background: bool) -> _Helper:
        try:
            return _Helper(*self._bounds, background=background)
        except OSError as error:
            log.helper_not_started(reason=os.strerror(error.errno or 0))
            raise ServiceUnavailableError(
                "The process that reads large bodies could not be started; nothing was written. "
                "Try again shortly."
            ) from error

    def _retire(self, helper: _Helper) -> None:
        self._idle.remove(helper)
        self._end(helper)

    def _end(self, helper: _Helper) -> asyncio.Task[int]:
        """Kill a helper, and return what tells its exit code.

        Giving back gigabytes takes the kernel a while, so nobody waits for it on the loop.
        """
        self._busy.discard(helper)
        helper.kill()
        task = asyncio.get_running_loop().create_task(asyncio.to_thread(helper.process.wait))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return task

    @staticmethod
    def _loss(code: int, function: str) -> BodyTooCostlyError | ServiceUnavailableError:
        log.helper_lost(function=function, exit_code=code)
        if code == -signal.SIGPROF:
            return BodyTooCostlyError()
        return ServiceUnavailableError(
            "The process that reads large bodies was ended from outside; nothing was written. "
            "Try again shortly."
        )


class _Helper:
    """One helper process.

    Attributes:
        process: The process.
        background: Whether everybody else goes first.
        idle: What ends it when nothing comes.
    """

    def __init__(self, memory: int, processor_time: float, *, background: bool) -> None:
        self.background = background
        self.idle: asyncio.TimerHandle | None = None
        self._stream, theirs = socket.socketpair()
        for end in (self._stream, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        self._stream.setblocking(False)
        with theirs:
            try:
                self.process = _start_process(
                    theirs.fileno(), memory, processor_time, "background" if background else "quick"
                )
            except OSError:
                self._stream.close()
                raise

    async def ask(self, request: bytes) -> frames.Reply:
        """Send a request and return the answer.

        Raises:
            HelperLostError: It ended instead.
        """
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_sendall(self._stream, frames.LENGTH.pack(len(request)))
            await loop.sock_sendall(self._stream, request)
            del request
            (length,) = frames.LENGTH.unpack(await self._receive(frames.LENGTH.size))
            return frames.read_reply(await self._receive(length))
        except OSError as error:
            raise HelperLostError from error

    async def _receive(self, size: int) -> bytearray:
        loop = asyncio.get_running_loop()
        content = bytearray(size)
        view, got = memoryview(content), 0
        while got < size:
            some = await loop.sock_recv_into(self._stream, view[got:])
            if not some:
                raise HelperLostError
            got += some
        return content

    def kill(self) -> None:
        """End it, whatever it is doing."""
        self._stream.close()
        if self.process.poll() is None:
            self.process.kill()


def _start_process(
    descriptor: int, memory: int, processor_time: float, kind: str
) -> subprocess.Popen[bytes]:
    """Start a helper that reads requests from a socket.

    Raises:
        OSError: The machine has no room for it: descriptors, processes, memory.
    """
    return subprocess.Popen(
        [
            *(sys.executable, "-P", "-m", "autogpt_db.helpers.process"),
            *(str(os.getpid()), str(memory), str(processor_time), kind),
        ],
        stdin=descriptor,
        stdout=subprocess.DEVNULL,
        env={name: value for name, value in os.environ.items() if name.startswith(_INHERITED)},
    )
