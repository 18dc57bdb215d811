"""`autogpt-db doctor`: look at an installation as an operator would, and say what to do."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from autogpt_db.cli.printing import say
from autogpt_db.printable import printable

if TYPE_CHECKING:
    from autogpt_db.cli.runtime import Loads

__all__ = ["doctor"]

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def doctor(sources: Loads, *, as_json: bool) -> None:
    """Check the installation: one line for each check, with what to do where something is wrong.

    Nothing is changed. It works with and without systemd, whether the service runs or not. Run it
    as root: other accounts see less. The exit code is 1 when a check fails; warnings leave it 0.
    """
    from autogpt_db.cli.doctor.checks import examine

    findings = examine(sources)
    failed = [finding for finding in findings if finding.level == "fail"]
    if as_json:
        content = {"healthy": not failed, "checks": [finding._asdict() for finding in findings]}
        say(json.dumps(content, indent=2))
    else:
        width = max(len(finding.check) for finding in findings)
        for level, check, text, remedy in findings:
            mark = click.style(f"{level:<4}", fg=_COLOURS[level])
            words = printable(" ".join(f"{text}. {remedy}".split()))
            click.echo(f"{mark}  {check:<{width}}  {words}")  # noqa: TID251 - the mark has a colour
    sys.exit(1 if failed else 0)
