"""Options of single background jobs; the rest of the model is in model.py."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from autogpt_db.settings.declaration import option

Action = Literal["report", "dry_run", "act"]


class WatchSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When an execution counts as stuck, and what the job watch_executions does about it."""

    look_back_days: Annotated[
        int,
        option("Days since an execution was made for which it is looked at.", ge=1, le=3650),
    ] = 14
    queued_seconds: Annotated[
        float, option("Seconds that a run may be QUEUED without a change.", ge=60, le=10**7)
    ] = 3600.0
    queued: Annotated[
        Action,
        option(
            "What is done about runs that are QUEUED for too long. act: they are set to FAILED. "
            "Their message may still be in AutoGPT's queue."
        ),
    ] = "report"
    running_seconds: Annotated[
        float,
        option(
            "Seconds that a run may be RUNNING without a sign of life from its nodes, from their "
            "outputs, or from runs that it started.",
            ge=60,
            le=10**7,
        ),
    ] = 7200.0
    running: Annotated[
        Action,
        option(
            "What is done about runs that are RUNNING without a sign of life. act: they and their "
            "open node executions are set to FAILED."
        ),
    ] = "report"
    incomplete_seconds: Annotated[
        float,
        option("Seconds that a run may be INCOMPLETE: made, and never queued.", ge=60, le=10**7),
    ] = 3600.0
    incomplete: Annotated[
        Action,
        option("What is done about runs that stay INCOMPLETE. act: they are set to FAILED."),
    ] = "report"
    orphans_seconds: Annotated[
        float,
        option(
            "Seconds after a run's end at which a node execution may still be RUNNING.",
            ge=60,
            le=10**7,
        ),
    ] = 900.0
    orphans: Annotated[
        Action,
        option(
            "What is done about node executions left RUNNING under runs that have ended. act: "
            "they are closed, as FAILED or TERMINATED."
        ),
    ] = "report"


class RetainSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the job retain deletes: nothing, unless a number of days is set."""

    input_output_days: Annotated[
        Annotated[int, Meta(ge=1, le=36500)] | None,
        option(
            "Days after which inputs and outputs of ended executions are deleted. Unset: never."
        ),
    ] = None
    executions_days: Annotated[
        Annotated[int, Meta(ge=1, le=36500)] | None,
        option(
            "Days after which ended executions are deleted with all that belongs to them. Unset: "
            "never."
        ),
    ] = None
    cost_log_days: Annotated[
        Annotated[int, Meta(ge=1, le=36500)] | None,
        option(
            "Days after which the log of what blocks cost the platform is deleted, which AutoGPT's "
            "pages for administrators sum up. Unset: never."
        ),
    ] = None
    workspace_files_days: Annotated[
        Annotated[int, Meta(ge=1, le=36500)] | None,
        option(
            "Days after which the records of files go that users have deleted, but for those that "
            "a shared page shows. With them goes where AutoGPT keeps a file's bytes. Unset: never."
        ),
    ] = None
    bot_events_days: Annotated[
        Annotated[int, Meta(ge=1, le=36500)] | None,
        option(
            "Days after which what has happened to AutoGPT's bots is deleted, which its pages for "
            "administrators count by day. Unset: never."
        ),
    ] = None
    chat_messages_days: Annotated[
        Annotated[int, Meta(ge=1, le=36500)] | None,
        option(
            "Days after which what was said in chats is deleted, turn by turn; the latest turn of "
            "each stays, and so do chats that are shared. Unset: never."
        ),
    ] = None
    chats_days: Annotated[
        Annotated[int, Meta(ge=1, le=36500)] | None,
        option(
            "Days after which chats that nobody has changed are deleted as a whole, but for those "
            "that are pinned or shared. Unset: never."
        ),
    ] = None
    batch: Annotated[
        int,
        option(
            "Rows that one transaction deletes at most, of each table, and fewer where that takes "
            "long; of chats a turn at least, however long it is.",
            ge=10,
            le=100_000,
        ),
    ] = 250
    rest: Annotated[
        float,
        option(
            "Pause after each transaction, as a multiple of the time it took. More makes it "
            "slower, and easier on everybody else.",
            ge=0,
            le=1000,
        ),
    ] = 3.0
