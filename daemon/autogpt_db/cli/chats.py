"""`autogpt-db chats`: users' chats, as a person reads them who helps them; nothing is changed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from autogpt_db.cli.asking import ask, fail
from autogpt_db.cli.conversation import facts_of, lines_of
from autogpt_db.cli.friendly import friendly
from autogpt_db.cli.printing import say
from autogpt_db.cli.tables import moment_of, shortened, table
from autogpt_db.cli.users import account_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autogpt_db.cli.runtime import Loads
    from autogpt_db.database.pool import Database

_NAME = "chats"
_MOST = 1000
"""Sessions or messages that are shown at once."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def chats() -> None:
    """Read users' chats with the copilot."""


@chats.command("list")
@click.argument("who", metavar="EMAIL|ID")
@click.option("--search", metavar="TEXT", help="Whose title has this in it.")
@click.option(
    "--limit",
    type=click.IntRange(1, _MOST),
    default=50,
    show_default=True,
    help="How many at most.",
)
@click.option(
    "--skip",
    type=click.IntRange(0, 1_000_000),
    default=0,
    show_default=True,
    help="Leave out so many of the first: the next page.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_(
    sources: Loads, *, who: str, search: str | None, limit: int, skip: int, as_json: bool
) -> None:
    """List a user's chats, those that were changed last first."""
    from autogpt_db.operations.chats.session_lists import get_user_chat_sessions

    with friendly():
        settings = sources.load().settings
        owner = account_of(settings, _NAME, who)

        async def listed(database: Database) -> Any:
            # One more than is shown tells whether there are more.
            return await get_user_chat_sessions(
                database,
                user_id=owner.id,
                limit=limit + 1,
                offset=skip,
                title_contains=search,
                pinned_first=False,
            )

        with _whole():
            sessions = _decoded(ask(settings, _NAME, listed))
        more = len(sessions) > limit
        del sessions[limit:]
        if as_json:
            from autogpt_db.worker.administration import as_json as to_json

            say(to_json([_told(session) for session in sessions]))
        elif sessions:
            columns = ("session", "title", "status", "started (UTC)", "last change (UTC)")
            for line in table(columns, map(_row, sessions)):
                say(line)
        if more:
            say(f"There are more: --skip {skip + limit} shows them.", error=as_json)
        elif not sessions and not as_json:
            say("No chat is like that." if search or skip else "There is no chat of that user's.")


@chats.command()
@click.argument("session")
@click.option(
    "--before",
    type=click.IntRange(-(2**31), 2**31 - 1),
    metavar="NUMBER",
    help="Only messages before this one: the page before.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, _MOST),
    default=50,
    show_default=True,
    help="How many messages.",
)
@click.option("--full", is_flag=True, help="Tools' calls and answers as a whole.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def show(
    sources: Loads, *, session: str, before: int | None, limit: int, full: bool, as_json: bool
) -> None:
    """Show a chat and its last messages: who said what when, and which tools were called.

    What tools were given and have answered is shortened, with its length beside it.
    """
    from autogpt_db.operations.chats.message_pages import get_chat_messages_paginated
    from autogpt_db.operations.users.users import get_user_email_by_id

    async def read(database: Database) -> tuple[Any, Any]:
        page = await get_chat_messages_paginated(
            database, session_id=session, limit=limit, before_sequence=before
        )
        if page is None:
            return None, None
        user_id = _decoded(page)["session"]["user_id"]
        return page, await get_user_email_by_id(database, user_id=user_id)

    with friendly():
        with _whole():
            document, email = ask(sources.load().settings, _NAME, read)
        if document is None:
            fail(f"there is no chat {session!r}. autogpt-db chats list shows a user's.")
        page = _decoded(document)
        if as_json:
            from autogpt_db.worker.administration import as_json as to_json

            say(to_json(page | {"session": _told(page["session"])}))
            return
        for line in facts_of(page["session"], None if email is None else _decoded(email)):
            say(line)
        for message in page["messages"]:
            say("")
            for line in lines_of(message, full=full):
                say(line)
        say("")
        if not page["messages"]:
            say("It has no message." if before is None else f"It has no message before {before}.")
        elif page["has_more"]:
            oldest = page["oldest_sequence"]
            say(f"The messages from #{oldest} on: --before {oldest} shows those before.")


@contextmanager
def _whole() -> Iterator[None]:
    """Say what to do about an answer that would be larger than the settings allow."""
    from autogpt_db.errors import ResultTooLargeError

    try:
        yield
    except ResultTooLargeError:
        fail(
            "what is to be shown is larger than limits.result_bytes. A lower --limit may do, or "
            "autogpt-db --set limits.result_bytes=… chats …"
        )


def _decoded(document: Any) -> Any:
    import msgspec

    return msgspec.json.decode(document)


def _told(session: dict[str, Any]) -> dict[str, Any]:
    """Return what is told of a session: not the credentials that it uses, whatever they hold."""
    return {name: value for name, value in session.items() if name != "credentials"}


def _row(session: dict[str, Any]) -> tuple[str, ...]:
    return (
        session["session_id"],
        shortened(session["title"]),
        session["chat_status"],
        moment_of(session["started_at"]),
        moment_of(session["updated_at"]),
    )
