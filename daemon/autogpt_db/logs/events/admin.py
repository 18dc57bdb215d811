"""Admin listener.

Told by the process of the page for operators, where there is one (`admin.enabled`).
"""

from __future__ import annotations

from logging import ERROR, INFO, WARNING

from autogpt_db.logs.declaration import event


@event(INFO)
def admin_listening(*, address: str) -> None:
    """The admin listener accepts connections."""


@event(INFO)
def admin_stopped() -> None:
    """The admin listener has stopped in good order."""


@event(INFO)
def admin_token_made(*, path: str) -> None:
    """A token of the admin listener was made, for there was none; only its owner may read it.

    `autogpt-db admin open` prints a link for the browser.
    """


@event(WARNING)
def admin_token_unusable(*, reason: str) -> None:
    """A token of the admin listener was changed, and what its file has now is none.

    Nobody is let in by it until the file is right, or is removed: then another is made.
    """


@event(INFO)
def admin_session_opened() -> None:
    """A browser has traded a link, or the token, for a session of twelve hours."""


@event(INFO)
def admin_action(*, action: str, target: str) -> None:
    """Somebody has run, paused, resumed or queued a job again on the admin listener's page."""


@event(WARNING)
def admin_refused(*, reason: str) -> None:
    """Somebody has sent the admin listener a token, a link or a session that is not good, or no
    longer.

    One is an old link, or a page from before a restart. Many, that nobody of yours has sent, come
    from somebody who tries: see who reaches `admin.host`.
    """


@event(WARNING)
def live_event_reader_dropped(*, waiting: int) -> None:
    """A reader of live events did not keep up: more than `waiting` bytes were waiting for it.

    It was told so, and misses nothing when it comes back with its last id. Where that happens
    often, readers choose too much (by user, graph or run they get less), or their network is slow.
    """


@event(WARNING)
def live_events_unread(*, reason: str) -> None:
    """The log of live events cannot be read; whoever follows waits.

    It is tried again every second, and told of again once it has worked in between. What was
    recorded meanwhile reaches everybody then. `reason` says what to mend.
    """


@event(ERROR)
def admin_error(*, path: str, exc_info: BaseException) -> None:
    """A request to the admin listener failed by a fault of the program; it was answered 500.

    Report it, with the traceback.
    """
