"""Who has sent a request, and what they may do."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from autogpt_db.admin.sessions import Session


class Scope(Enum):
    """What somebody may do."""

    READ = "read"
    ACT = "act"


class Identity(NamedTuple):
    """Who has sent a request.

    Attributes:
        scope: What they may do.
        holds: Tells whether they still may: the token wasn't revoked, the session hasn't ended.
        session: The browser's; None for a program, which has sent a token.
    """

    scope: Scope
    holds: Callable[[], bool]
    session: Session | None = None


def identity_of(request: Request) -> Identity:
    """Return who has sent a request that the guard has let through to a guarded route."""
    found = request.scope["identity"]
    assert isinstance(found, Identity)
    return found
