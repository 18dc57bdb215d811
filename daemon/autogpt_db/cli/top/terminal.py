"""A terminal that is drawn on: taken, given back whatever happens, and drawn anew line by line."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import tty
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

    from autogpt_db.cli.top.lines import Line, Style

ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
# The other screen, no cursor, no wrapping; and back, in the other order.
_TAKE = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"
_GIVE_BACK = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
# Weight and inversion, no colours: they can be read on every background.
_STYLES: dict[Style, str] = {"": "", "title": "\x1b[1m", "heading": "\x1b[7m", "bad": "\x1b[1m"}
_INPUT_FLAGS = 0  # where tcgetattr puts them
_FALLBACK = (80, 24)
_PATIENCE = 1.0
"""Seconds for which a terminal that takes nothing is waited for at the end."""


class EndedError(Exception):
    """A signal has asked for the end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Terminal:
    """The terminal of stdin and stdout.

    A signal that ends programs raises `EndedError` from wherever the main thread is, even where it
    waits for a terminal that takes nothing.
    """

    def __init__(self) -> None:
        self._input, self._output = sys.stdin.fileno(), sys.stdout.fileno()
        self._encoding = sys.stdout.encoding
        self._before = termios.tcgetattr(self._input)
        self._signals: dict[int, Any] = {}
        self._shown: list[Line] = []
        self._ends = False
        self._wakes, self._wake = os.pipe()
        os.set_blocking(self._wakes, False)
        os.set_blocking(self._wake, False)

    @property
    def size(self) -> tuple[int, int]:
        """Return the columns and lines there are now."""
        with suppress(OSError):
            columns, lines = os.get_terminal_size(self._output)
            if columns and lines:
                return columns, lines
        return _FALLBACK

    def take(self) -> None:
        """Take it: keys come as they are typed, and the other screen is shown."""
        for number in ENDS:
            self._handle(number, self._end)
        for number in (signal.SIGWINCH, signal.SIGTSTP):
            self._handle(number, self._told)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        self._enter()

    def give_back(self) -> None:
        """Leave it as it was; a further signal does not interrupt that."""
        self._ends = True
        for number in self._signals:
            signal.signal(number, signal.SIG_IGN)
        self._leave()
        signal.set_wakeup_fd(-1)
        for number, before in self._signals.items():
            signal.signal(number, before)
        self._signals.clear()

    def wake(self) -> None:
        """Let `wait` return; for other threads."""
        with suppress(BlockingIOError):
            os.write(self._wake, b"\0")

    def wait(self) -> bytes:
        """Wait until there is something new; return the keys that were typed.

        Raises:
            EOFError: The terminal is gone.
            EndedError: A signal has asked for the end.
        """
        ready, _, _ = select.select([self._input, self._wakes], [], [])
        if self._wakes in ready:
            told = os.read(self._wakes, 4096)
            if signal.SIGWINCH in told:
                self._shown.clear()
            if signal.SIGTSTP in told:
                self._pause()
                return b""  # the shell has read what was typed
        if self._input not in ready:
            return b""
        try:
            keys = os.read(self._input, 64)
        except OSError as error:
            raise EOFError from error
        if not keys:
            raise EOFError
        return keys

    def draw(self, lines: Sequence[Line]) -> None:
        """Show lines, from the first row on; only those go out that are others than before.

        Raises:
            EOFError: The terminal is gone.
        """
        out = [] if self._shown else ["\x1b[2J"]
        for row, line in enumerate(lines):
            if row >= len(self._shown) or self._shown[row] != line:
                out.append(f"\x1b[{row + 1};1H{_STYLES[line.style]}{line.text}\x1b[0m\x1b[K")
        if len(lines) < len(self._shown):
            out.append(f"\x1b[{len(lines) + 1};1H\x1b[J")
        self._shown = list(lines)
        try:
            self._write("".join(out))
        except OSError as error:
            raise EOFError from error

    def _enter(self) -> None:
        tty.setcbreak(self._input)
        self._shown.clear()
        self._write(_TAKE)

    def _leave(self) -> None:
        """Give the terminal back; one that is gone, or takes nothing, is not waited for."""
        with suppress(termios.error, OSError):
            # Ctrl-S has stopped it, perhaps: who takes no such keys lets it go on.
            flowing = list(self._before)
            flowing[_INPUT_FLAGS] &= ~termios.IXON
            termios.tcsetattr(self._input, termios.TCSANOW, flowing)
            _, takes, _ = select.select([], [self._output], [], _PATIENCE)
            if takes:
                self._write(_GIVE_BACK)
        with suppress(termios.error, OSError):
            termios.tcsetattr(self._input, termios.TCSANOW, self._before)

    def _pause(self) -> None:
        """Stop, as Ctrl-Z asks, on the shell's own screen; go on when it says so."""
        self._leave()
        here = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, here)
        self._enter()

    def _write(self, text: str) -> None:
        content = memoryview(text.encode(self._encoding, "replace"))
        while content:
            content = content[os.write(self._output, content) :]

    def _handle(self, number: int, handler: Callable[[int, FrameType | None], None]) -> None:
        self._signals[number] = signal.signal(number, handler)

    def _end(self, number: int, _frame: FrameType | None) -> None:
        if not self._ends:
            self._ends = True
            raise EndedError(number)

    @staticmethod
    def _told(_number: int, _frame: FrameType | None) -> None:
        """Leave it to `wait`, which is woken."""
