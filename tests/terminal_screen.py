"""A terminal for a test: a shell in it, and what is to be seen."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
from typing import TYPE_CHECKING, Self

from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_CONTROL = re.compile(r"\x1b\[(\??)([\d;]*)([A-Za-z])")
_OTHER_SCREEN = 1049
_BEGUN = re.compile(r"\x1b(\[[\d;?]*)?$")


class Screen:
    """What has been written to a terminal; a sequence that it doesn't know is an error.

    Attributes:
        modes: Private modes that are set, by their numbers: 1049 the other screen, 25 the cursor.
    """

    def __init__(self, columns: int, rows: int) -> None:
        self.modes = {7, 25}
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._rest = ""
        self._first: list[str] = []  # the first screen, while the other one is shown
        self.resize(columns, rows)

    def resize(self, columns: int, rows: int) -> None:
        """Begin anew in another size."""
        self.columns, self.rows = columns, rows
        self._cells = [[" "] * columns for _ in range(rows)]
        self._row = self._column = 0

    @property
    def text(self) -> str:
        """Return what is to be seen."""
        return "\n".join("".join(row).rstrip() for row in self._cells)

    def feed(self, content: bytes) -> None:
        """Take in what was written."""
        text = self._rest + self._decoder.decode(content)
        begun = _BEGUN.search(text)
        text, self._rest = (text[: begun.start()], begun[0]) if begun else (text, "")
        place = 0
        for found in _CONTROL.finditer(text):
            self._put(text[place : found.start()])
            self._control(*found.groups())
            place = found.end()
        self._put(text[place:])

    def _control(self, private: str, numbers: str, letter: str) -> None:
        given = [int(number) for number in numbers.split(";") if number]
        if private:
            assert letter in "hl", (numbers, letter)
            change = self.modes.update if letter == "h" else self.modes.difference_update
            change(given)
            if given == [_OTHER_SCREEN]:
                self._switch(letter)
        elif letter == "H":
            self._row, self._column = ([*given, 1, 1][0] - 1, [*given, 1, 1][1] - 1)
        elif letter == "K":
            row = self._cells[self._row]
            row[self._column :] = [" "] * (self.columns - self._column)
        elif letter == "J":
            first = 0 if given == [2] else self._row
            for number in range(first, self.rows):
                self._cells[number] = [" "] * self.columns
        else:
            assert letter == "m", f"nobody knows {private}{numbers}{letter}"

    def _switch(self, letter: str) -> None:
        kept, self._first = self._first, ["".join(row) for row in self._cells]
        self.resize(self.columns, self.rows)
        if letter == "l":
            for number, line in enumerate(kept[-self.rows :]):
                self._cells[number] = list(line[: self.columns].ljust(self.columns))
            self._row = max((n for n, line in enumerate(kept) if line.strip()), default=0) + 1
            self._row = min(self._row, self.rows - 1)

    def _put(self, text: str) -> None:
        for character in text:
            if character == "\r":
                self._column = 0
            elif character == "\n":
                self._row += 1
                if self._row == self.rows:
                    self._row -= 1
                    self._cells = [*self._cells[1:], [" "] * self.columns]
            elif character == "\b":
                self._column = max(0, self._column - 1)
            elif character != "\a":
                assert character.isprintable(), repr(character)
                # Without wrapping, the last column takes whatever goes beyond.
                self._cells[self._row][min(self._column, self.columns - 1)] = character
                self._column += 1


class TerminalShell:
    """An interactive shell in a terminal, as a person sits before it.

    Args:
        directory: Where it begins.
        environment: All that it has.
        size: Columns and rows.
    """

    def __init__(
        self, directory: Path, environment: Mapping[str, str], size: tuple[int, int]
    ) -> None:
        self._master, slave = pty.openpty()
        self.screen = Screen(*size)
        self._set_size(*size)
        self._process = subprocess.Popen(
            ["setsid", "--ctty", "sh", "-i"],
            cwd=directory,
            env={**environment, "PS1": "$ ", "TERM": "xterm"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
        os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def resize(self, columns: int, rows: int) -> None:
        self.screen.resize(columns, rows)
        self._set_size(columns, rows)

    def see(self, *texts: str) -> str:
        """Wait until texts are to be seen; return all that is."""

        def seen() -> str | None:
            while select.select([self._master], [], [], 0)[0]:
                self.screen.feed(os.read(self._master, 65536))
            shown = self.screen.text
            return shown if all(text in shown for text in texts) else None

        try:
            return wait_for(seen, what=f"the sight of {texts}")
        except AssertionError as error:
            raise AssertionError(f"{error}; there is:\n{self.screen.text}") from None

    def foreground(self) -> int:
        """Return the process group that the terminal belongs to now."""
        return os.tcgetpgrp(self._master)

    def modes(self) -> list[object]:
        """Return how the terminal is set."""
        return list(termios.tcgetattr(self._master))

    def _set_size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
