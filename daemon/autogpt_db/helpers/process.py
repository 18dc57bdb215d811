"""A helper itself: `python -m autogpt_db.helpers.process PARENT MEMORY SECONDS KIND`.

The socket to its parent is descriptor 0.
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from autogpt_db.errors import BodyTooCostlyError
from autogpt_db.helpers import frames

GROWN = 256 * 1024 * 1024
"""Bytes of memory at its peak after which a helper ends, so that all of it is given back."""
NICENESS = 10
"""How far one stands behind its parent, whose loop answers everybody else.

It says which share of a busy machine it gets, not how soon another process gets its turn: Linux
lets who wakes up wait for milliseconds, whatever the niceness of who runs. Only what is idle by its
policy is interrupted at once, so that is what one in the background is.
"""
FIRST_TO_GO = 1000
"""Where memory runs out, the kernel ends a helper before anything else; its call gets 503."""

_PR_SET_PDEATHSIG = 1


def main(parent: int, memory: int, processor_time: float, kind: str) -> None:
    """Serve one request after the other until the parent closes the socket.

    Args:
        parent: The process that is helped; this one ends with it, even in the middle of its work.
        memory: Bytes that it may use beside what it needs to run.
        processor_time: Seconds of it that one request may take.
        kind: "quick", or "background" for what must cost nobody else anything.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:
        return  # it has ended already
    # The parent's to obey: it answers what runs, then closes the socket.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(OSError):  # a filter of system calls may forbid it
        if kind == "background":
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        else:
            os.nice(NICENESS)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(FIRST_TO_GO), "ascii")
    # What JSON is made of has no cycles, and looking for some among ten million lists is what
    # takes most of the time.
    gc.disable()
    with socket.socket(fileno=0) as stream:
        while (content := _receive(stream)) is not None:
            _bound_memory(memory)
            signal.setitimer(signal.ITIMER_PROF, processor_time)
            answer = _answer(content)
            del content
            signal.setitimer(signal.ITIMER_PROF, 0)
            stream.sendall(frames.LENGTH.pack(len(answer)))
            stream.sendall(answer)
            del answer
            if _has_grown():
                return
            gc.collect()


def _answer(content: bytearray) -> bytes:
    try:
        function, arguments = frames.read_request(content)
        result = frames.Reply(function(*arguments))
        del arguments
        return frames.reply(result._replace(ends=_has_grown()))
    except MemoryError:
        reply = frames.failed(BodyTooCostlyError())
    except Exception as error:  # noqa: BLE001 - the parent's to deal with
        reply = frames.failed(error)
    return frames.reply(reply._replace(ends=_has_grown()))


def _receive(stream: socket.socket) -> bytearray | None:
    """Return the next request, or None at the end."""
    head = stream.recv(frames.LENGTH.size, socket.MSG_WAITALL)
    if len(head) < frames.LENGTH.size:
        return None
    content = bytearray(frames.LENGTH.unpack(head)[0])
    view, got = memoryview(content), 0
    while got < len(content):
        some = stream.recv_into(view[got:])
        if not some:
            return None
        got += some
    return content


def _bound_memory(more: int) -> None:
    """Let what a request needs beyond `more` bytes fail, instead of filling the machine."""
    pages = int(_status("VmData:")) * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (pages + more, resource.RLIM_INFINITY))


def _status(name: str) -> str:
    with Path("/proc/self/status").open(encoding="ascii") as status:
        for line in status:
            if line.startswith(name):
                return line.split()[1]
    return "0"


def _has_grown() -> bool:
    # Not getrusage: its peak begins with that of the process that started this one.
    return int(_status("VmHWM:")) * 1024 > GROWN


def _run() -> NoReturn:
    parent, memory, processor_time, kind = sys.argv[1:]
    main(int(parent), int(memory), float(processor_time), kind)
    sys.exit(0)


if __name__ == "__main__":
    _run()
