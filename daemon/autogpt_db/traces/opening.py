"""What a process's traces are made with."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from autogpt_db import __version__
from autogpt_db.settings.traces import endpoint_of, headers_of
from autogpt_db.traces.collector import Collector
from autogpt_db.traces.encoding import Encoder
from autogpt_db.traces.exporter import Exporter
from autogpt_db.traces.tracer import Tracer

if TYPE_CHECKING:
    from autogpt_db.metrics import Store
    from autogpt_db.settings import TracesSettings


def opened(settings: TracesSettings, store: Store) -> Tracer:
    """Return what begins traces, whose spans go to the settings' collector."""
    headers = headers_of(settings.headers.reveal()) if settings.headers else []
    host = socket.gethostname()
    encoder = Encoder(
        {
            "service.name": settings.service_name,
            "service.version": __version__,
            "service.instance.id": f"{host}:{store.name}",
            "host.name": host,
            "process.pid": os.getpid(),
        },
        __version__,
    )
    exporter = Exporter(
        Collector(endpoint_of(settings.endpoint), headers),
        encoder,
        settings.queue_limit,
        settings.export_timeout,
        store,
    )
    return Tracer(settings.sample_ratio, exporter)
