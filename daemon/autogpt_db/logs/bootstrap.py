"""Wiring structlog and the standard library's logging into one stream of events.

Until `configure_logging` has been called, records are held; then they are replayed. A program
that fails before calls `release_held`, so that what it said is seen.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import structlog

from autogpt_db.logs import declaration
from autogpt_db.logs.context import add_context
from autogpt_db.logs.copies import RecordCopies
from autogpt_db.logs.journal import JournalSink, journal_is_stderr
from autogpt_db.logs.render import console_renderer, json_renderer
from autogpt_db.logs.stream import StreamSink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from structlog.typing import EventDict, WrappedLogger

    from autogpt_db.settings import LoggingSettings

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
_HELD_LIMIT = 1000

FORMAT = "AUTOGPT_DB_TREE_FORMAT"
"""Set by supervision for its children: how main writes its records."""

_stamp = structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp")
_held: list[EventDict] = []
_process: dict[str, Any] = {}
_emit: Callable[[EventDict], None] | None = None
_stream: StreamSink | None = None
_copies: RecordCopies | None = None
_format = "json"
_threshold = LEVELS["info"]


def hold_records() -> None:
    """Start holding records; structlog is usable from here on."""
    structlog.configure(
        processors=[
            add_context,
            _add_level,
            _stamp,
            _deliver,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS["debug"]),
        logger_factory=structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=False,
    )
    declaration.connect(LEVELS["debug"])
    root = logging.getLogger()
    root.handlers[:] = [_StandardLibrary()]
    root.setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


def configure_logging(settings: LoggingSettings) -> None:
    """Choose the sink and the level, and replay what was held.

    Args:
        settings: Level and format; `auto` means native journal records when stderr is the
            journal, colours on a terminal, JSON lines when piped.
    """
    global _emit, _format, _stream, _threshold  # noqa: PLW0603 - logging is set up here only
    _threshold = LEVELS[settings.level]
    # A supervised child writes into main's pipe, but for main's terminal or journal.
    kind = settings.format if settings.format != "auto" else os.environ.get(FORMAT, "auto")
    if kind == "auto":
        terminal = "console" if sys.stderr.isatty() else "json"
        kind = "journal" if journal_is_stderr() else terminal
    _format = kind
    if kind == "journal":
        _stream = None
        _emit = JournalSink().emit
    else:
        render = console_renderer() if kind == "console" else json_renderer
        _stream = StreamSink(sys.stderr.fileno(), render)
        _emit = _stream.emit
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(_threshold))
    declaration.connect(_threshold)
    release_held()


def copy_records(runtime: Path) -> None:
    """Copy records from now on to who looks at the log live, too.

    Args:
        runtime: The runtime directory.
    """
    global _copies  # noqa: PLW0603
    if _copies is not None:
        _copies.close()
    _copies = RecordCopies(runtime)


def release_held() -> None:
    """Write out held records, to stderr in a plain form when logging was never configured."""
    global _emit  # noqa: PLW0603
    if _emit is None and journal_is_stderr():
        _emit = JournalSink().emit
    if _emit is None:
        render = console_renderer(colours=sys.stderr.isatty())
        _emit = StreamSink(sys.stderr.fileno(), render).emit
    records, _held[:] = _held[:], []
    for record in records:
        if LEVELS.get(record.get("level", "info"), 0) >= _threshold:
            _emit(record)


@contextmanager
def records_on_stderr() -> Iterator[None]:
    """Write warnings to stderr as text meanwhile: a command's stdout is what it was asked for."""
    before = structlog.get_config()
    structlog.configure(
        processors=[_add_level, _stamp, _write_to_stderr],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS["warning"]),
        logger_factory=structlog.ReturnLoggerFactory(),  # which needs no stdout
    )
    try:
        yield
    finally:
        structlog.configure(**before)


def write_line(line: bytes) -> None:
    """Pass on a finished line, as a child wrote it, to where records go; drop it if that blocks.

    Args:
        line: With its line feed.
    """
    if _stream is not None:
        _stream.write(line)


def format_in_use() -> str:
    """Return how this process writes its records: `journal`, `console` or `json`."""
    return _format


def bind_process(name: str) -> None:
    """Name this process (`main`, `api_00`, `worker_00`) in every record."""
    _process["process"] = name


def _add_level(_logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    event["level"] = {"warn": "warning", "exception": "error", "msg": "info"}.get(method, method)
    return event


def _deliver(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    record: dict[str, Any] = {**_process, **event}
    if record.get("exc_info") is True:
        record["exc_info"] = sys.exc_info()  # a held record outlives the except clause
    if _copies is not None:
        _copies.emit(record)
    if _emit is not None:
        _emit(record)
    elif len(_held) < _HELD_LIMIT:
        _held.append(record)
    raise structlog.DropEvent


def _write_to_stderr(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    # Nobody may read it, or it may be closed: who asked gets an answer.
    with suppress(OSError, AttributeError):
        line = console_renderer(colours=sys.stderr.isatty())(event)
        sys.stderr.write(line.decode())
    raise structlog.DropEvent


class _StandardLibrary(logging.Handler):
    """Records of libraries that use the standard library's logging, as events of ours."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            event: EventDict = {
                "event": record.getMessage(),
                "level": record.levelname.lower(),
                "logger": record.name,
            }
            _stamp(None, "", event)
            if record.exc_info:
                event["exc_info"] = record.exc_info
            if record.levelno >= _threshold:
                _deliver(None, record.levelname.lower(), event)
        except structlog.DropEvent:
            pass
        except Exception:  # noqa: BLE001, S110 - a log line must never take its program down
            pass
