"""What children write on stdout and stderr: kept for `supervisorctl tail`, and passed on.

Under journald our children send their records themselves; what still comes this way is raw (a
traceback before logging is configured, PostgreSQL's own log, what the programs of programs.d say)
and becomes a record that main writes under the process's name. In a
terminal or a pipe our children's lines are finished records already.
"""

from __future__ import annotations

import codecs
import logging
import re
from typing import TYPE_CHECKING, Any

from autogpt_db.logs import write_line
from autogpt_db.logs.events import processes as log
from autogpt_db.printable import printable, printable_line

if TYPE_CHECKING:
    from supervisor.events import ProcessLogEvent

# Colours (ECMA-48 control sequences), and what else XML 1.0 has no way to write.
_NOT_TEXT = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_OURS = frozenset({"api", "worker", "admin"})  # groups; no other program can have these names
_LONGEST_LINE = 64 * 1024
# sd-daemon(3): a program may say how urgent its line is, as it would to systemd.
_LEVEL = re.compile(r"<([0-7])>")
_LEVELS = (
    *[logging.CRITICAL] * 3,
    logging.ERROR,
    logging.WARNING,
    *[logging.INFO] * 2,
    logging.DEBUG,
)


class PlainLog:
    """Supervisor's log of a child's output, for `supervisorctl tail`: UTF-8 text, no colours.

    Whatever a child writes, and wherever its output is cut into pieces.
    """

    def __init__(self, log: Any) -> None:
        self._log = log
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def info(self, data: bytes | str) -> None:
        """Take a piece of output; a character that it ends within waits for its other bytes."""
        raw = data.encode() if isinstance(data, str) else data
        text = self._decoder.decode(_NOT_TEXT.sub(b"", raw))
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        self._log.info(printable(text, lines=True).encode())


class ChildOutput:
    """Put children's output together to lines, and pass each on under its process's name.

    Args:
        finished: Whether the lines of our own children are records already.
    """

    def __init__(self, *, finished: bool) -> None:
        self._finished = finished
        self._unfinished: dict[tuple[str, str], bytes] = {}

    def take(self, event: ProcessLogEvent) -> None:
        """Take a piece of output; Supervisor calls it for each."""
        data = event.data if isinstance(event.data, bytes) else event.data.encode()
        finished = self._finished and event.process.group.config.name in _OURS
        self.feed(str(event.process.config.name), str(event.channel), data, finished=finished)

    def feed(self, name: str, stream: str, data: bytes, *, finished: bool = False) -> None:
        """Take a piece of output.

        Args:
            name: Whose.
            stream: Which of its streams.
            data: Whole lines or parts of them.
            finished: The lines are records already.
        """
        channel = (name, stream)
        *lines, rest = (self._unfinished.pop(channel, b"") + data).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            cut = _end_of_last_character(rest)
            lines.append(rest[:cut])
            rest = rest[cut:]
        if rest:
            self._unfinished[channel] = rest
        for line in lines:
            if finished:
                write_line(printable_line(line) + b"\n")
            elif line.strip():
                _pass_on(name, line)


def _end_of_last_character(data: bytes) -> int:
    """Return where the last character that is whole in UTF-8 ends."""
    for back in range(1, 4):
        byte = data[-back]
        if byte < 0x80:  # noqa: PLR2004 - ASCII
            break
        if byte >= 0xC0:  # noqa: PLR2004 - the first byte of a character of 2, 3 or 4
            length = 2 + (byte >= 0xE0) + (byte >= 0xF0)  # noqa: PLR2004
            return len(data) - back if back < length else len(data)
    return len(data)


def _pass_on(name: str, line: bytes) -> None:
    text = printable(_NOT_TEXT.sub(b"", line).decode("utf-8", "replace").rstrip(), lines=True)
    level = _LEVEL.match(text)
    if level is not None:
        text = text[level.end() :]
    log.output.at(_LEVELS[int(level[1])] if level else logging.INFO, process=name, line=text)
