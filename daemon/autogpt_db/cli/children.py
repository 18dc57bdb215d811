"""What supervision starts: the program's own processes below main."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from autogpt_db.loading import loading

if TYPE_CHECKING:
    from collections.abc import Callable

    from autogpt_db.cli.sources import Sources
    from autogpt_db.settings import Settings


@click.command(hidden=True)
@click.pass_obj
def api(sources: Sources) -> None:
    """Run one API process (supervision starts these)."""
    with loading():
        from autogpt_db.api import run_api

    sys.exit(_child(sources, run_api, "api"))


@click.command(hidden=True)
@click.pass_obj
def worker(sources: Sources) -> None:
    """Run one worker process (supervision starts these)."""
    with loading():
        from autogpt_db.worker.runner import run_worker

    sys.exit(_child(sources, run_worker, "worker"))


@click.command("admin-listener", hidden=True)
@click.pass_obj
def admin_listener(sources: Sources) -> None:
    """Run the admin listener (supervision starts it)."""
    with loading():
        from autogpt_db.admin import run_admin

    sys.exit(_child(sources, run_admin, "admin"))


def _child(sources: Sources, run_child: Callable[[Settings], int], name: str) -> int:
    from autogpt_db.lifecycle import describe_failure
    from autogpt_db.logs import bind_process, configure_logging, copy_records, hold_records

    hold_records()
    bind_process(os.environ.get("SUPERVISOR_PROCESS_NAME", name))
    try:
        settings = sources.child_settings()
        configure_logging(settings.logging)
        if settings.admin.enabled:
            copy_records(settings.paths.runtime)
        return run_child(settings)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is logged and has a code
        return describe_failure(error)
