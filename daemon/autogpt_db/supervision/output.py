"""What children write on stdout and stderr: kept for `supervisorctl tail`, and passed on.

Under journald our children send their records themselves; what still comes this way is raw (a
traceback before logging is configured, PostgreSQL's own log) and becomes a record of main's. In a
terminal or a pipe our children's lines are finished records already.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import structlog

from autogpt_db.logs import write_line

if TYPE_CHECKING:
    from supervisor.events import ProcessLogEvent

log = structlog.get_logger("autogpt_db.supervision")

# Colours (ECMA-48 control sequences), and what else XML 1.0 has no way to write.
_NOT_TEXT = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LONGEST_LINE = 64 * 1024


class PlainLog:
    """Supervisor's log of a child's output, for `supervisorctl tail`: text, no colours."""

    def __init__(self, log: Any) -> None:
        self._log = log

    def info(self, data: bytes | str) -> None:
        """Take a piece of output."""
        raw = data.encode() if isinstance(data, str) else data
        self._log.info(_NOT_TEXT.sub(b"", raw))


class ChildOutput:
    """Put children's output together to lines, and pass each on.

    Args:
        finished: Whether the lines of our own children are records already.
    """

    def __init__(self, *, finished: bool) -> None:
        self._finished = finished
        self._unfinished: dict[str, bytes] = {}

    def take(self, event: ProcessLogEvent) -> None:
        """Take a piece of output; Supervisor calls it for each."""
        name = str(event.process.config.name)
        data = event.data if isinstance(event.data, bytes) else event.data.encode()
        *lines, rest = (self._unfinished.pop(name, b"") + data).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            lines.append(rest)
            rest = b""
        if rest:
            self._unfinished[name] = rest
        ours = name.startswith(("api_", "worker_"))
        for line in lines:
            if ours and self._finished:
                write_line(line + b"\n")
            elif line.strip():
                log.info("output", child=name, line=line.decode("utf-8", "replace"))
