"""What children write on stdout and stderr: kept for `supervisorctl tail`, and passed on.

Under journald our children send their records themselves; what still comes this way is raw (a
traceback before logging is configured, PostgreSQL's own log) and becomes a record of main's. In a
terminal or a pipe our children's lines are finished records already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from autogpt_db.logs import write_line

if TYPE_CHECKING:
    from supervisor.events import ProcessLogEvent

log = structlog.get_logger("autogpt_db.supervision")

_LONGEST_LINE = 64 * 1024


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
