"""`autogpt-db executions`: AutoGPT's runs, as an operator looks at them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import click

from autogpt_db.cli.asking import ask
from autogpt_db.cli.friendly import friendly
from autogpt_db.cli.printing import say
from autogpt_db.cli.tables import duration, moment, table

if TYPE_CHECKING:
    from autogpt_db.cli.runtime import Loads
    from autogpt_db.database.pool import Database
    from autogpt_db.operations.executions.stuck_executions import Stuck
    from autogpt_db.settings import Settings

_WILL = {"report": "nothing", "dry_run": "nothing, and say so", "act": "at the next look"}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def executions() -> None:
    """Look at AutoGPT's executions."""


@executions.command()
@click.option(
    "--days", type=click.IntRange(1, 3650), help="Look back so far. Default: watch.look_back_days."
)
@click.option("--dry-run", is_flag=True, help="Show what ending each of them would do.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def stuck(sources: Loads, *, days: int | None, dry_run: bool, as_json: bool) -> None:
    """List the executions that nothing moves any more; nothing is changed.

    What counts as stuck, and what the job watch_executions does about it, is set under [watch].
    """
    import msgspec

    with friendly():
        settings = sources.load().settings
        if days is not None:
            watch = msgspec.structs.replace(settings.watch, look_back_days=days)
            settings = msgspec.structs.replace(settings, watch=watch)
        found, older, oldest = _find(settings)
        looked = f"Looked at what was made within {settings.watch.look_back_days} days"
        if older:
            looked += (
                f"; {older} that {'has' if older == 1 else 'have'} not ended "
                f"{'is' if older == 1 else 'are'} older: --days {oldest + 1} looks at "
                f"{'it' if older == 1 else 'them'}, too"
            )
        if as_json:
            from autogpt_db.worker.administration import as_json as to_json

            say(to_json([_described(settings, one) for one in found]))
            say(f"{looked}.", error=True)
            return
        if not found:
            say("Nothing is stuck.")
            say(f"{looked}.")
            return
        columns: tuple[str, ...] = ("kind", "execution", "status", "silent for", "last sign (UTC)")
        columns += ("user", "would", "the job will") if dry_run else ("user",)
        lines = []
        for one in found:
            line: tuple[str, ...] = (
                one.kind,
                one.id,
                one.status,
                duration(one.seconds),
                moment(one.since),
                one.user_id,
            )
            if dry_run:
                remedy = one.remedy + (f" {one.node_execution_id}" if one.node_execution_id else "")
                line += (remedy, f"do {_WILL[getattr(settings.watch, one.kind)]}")
            lines.append(line)
        for text in table(columns, lines):
            say(text)
        say(f"\n{looked}.")


def _find(settings: Settings) -> tuple[list[Stuck], int, int]:
    """Return what is stuck, how many older ones haven't ended, and the oldest one's days."""
    from autogpt_db.operations.executions.stuck_executions import count_older, find_stuck

    async def look(database: Database) -> tuple[list[Stuck], int, int]:
        return await find_stuck(database), *await count_older(database)

    return ask(settings, "executions", look)


def _described(settings: Settings, one: Stuck) -> dict[str, Any]:
    return dataclasses.asdict(one) | {
        "remedy": one.remedy,
        "action": getattr(settings.watch, one.kind),
    }
