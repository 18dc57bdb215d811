"""`top` on a terminal: looks in threads, so that keys and signals never wait for one."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

from autogpt_db.cli.top.drawing import frame
from autogpt_db.cli.top.terminal import EndedError, Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autogpt_db.cli.top.figures import Document, Figures
    from autogpt_db.cli.top.queue import Queue

_QUEUE_PAUSE = 5.0
"""Seconds between two looks at the jobs, at least."""


def watch(
    figures: Figures, queue: Queue, first: Document, *, interval: float, sorts: Sequence[str]
) -> None:
    """Draw what there is until q, Ctrl-C or another signal that ends programs.

    Args:
        figures: Of the daemon.
        queue: Of the jobs.
        first: What the first look at the daemon has found.
        interval: Seconds between two looks.
        sorts: What methods can be sorted by, first of all by the first.
    """
    terminal = Terminal()
    tree = _Looks(figures.look, interval, terminal.wake, first)
    jobs = _Looks(queue.look, max(interval, _QUEUE_PAUSE), terminal.wake)
    ended: int | None = None
    try:
        terminal.take()
        tree.start()
        jobs.start()
        _show(terminal, tree, jobs, interval, list(sorts))
    except EndedError as error:
        ended = error.number
    except EOFError:
        pass  # there is no terminal any more
    finally:
        terminal.give_back()
    if ended not in {None, signal.SIGINT}:
        # Whoever has sent it is to see that it has worked.
        signal.signal(ended, signal.SIG_DFL)
        os.kill(os.getpid(), ended)


def _show(
    terminal: Terminal, tree: _Looks, jobs: _Looks, interval: float, sorts: list[str]
) -> None:
    while True:
        width, height = terminal.size
        keys = f"every {interval:g} s, by {sorts[0]}   [q]uit [s]ort"
        document = tree.found() | {"queue": jobs.found()}
        terminal.draw(frame(document, sorts[0], width=width, height=height, keys=keys))
        for key in terminal.wait().decode("ascii", "replace"):
            if key in "qQ":
                return
            if key in "sS":
                sorts.append(sorts.pop(0))


class _Looks(threading.Thread):
    """A look that is repeated; a process that ends waits for none that is under way.

    Args:
        look: It.
        interval: Seconds between two.
        told: Called when one has ended.
        first: What was found an instant ago; without it the first look is at once.
    """

    def __init__(
        self,
        look: Callable[[], Document],
        interval: float,
        told: Callable[[], None],
        first: Document | None = None,
    ) -> None:
        super().__init__(daemon=True)
        self._look = look
        self._interval = interval
        self._told = told
        self._found = first
        self._failure: BaseException | None = None

    def found(self) -> Document:
        """Return what was found last; nothing before that.

        Raises:
            Exception: The look has failed.
        """
        if self._failure is not None:
            raise self._failure
        return self._found or {}

    def run(self) -> None:
        """Look again and again."""
        pause = threading.Event()
        try:
            if self._found is not None:
                pause.wait(self._interval)
            while True:
                self._found = self._look()
                self._told()
                pause.wait(self._interval)
        except BaseException as error:  # noqa: BLE001 - the main thread raises it
            self._failure = error
            self._told()
