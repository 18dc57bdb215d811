"""How a cause is declared."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from autogpt_db.errors import CallError


class Cause(NamedTuple):
    """Why PostgreSQL refused something.

    Attributes:
        name: For logs and metrics.
        states: The codes, and the classes (two characters) whose other codes it stands for.
        matter: What is the matter, in a clause that begins a sentence.
        failure: What the caller gets; None for a bug of ours, whose caller hears only that.
        retry_after: Seconds after which a repeat may be worth while; None where none helps.
        remedy: What an operator does about it; empty where nobody has to.
        stops_writes: Whether no write can succeed until it has passed.
        ends_session: Whether the connection is gone with it, so that the outcome of a write that
            was under way isn't known.
    """

    name: str
    states: tuple[str, ...]
    matter: str
    failure: type[CallError] | None
    retry_after: float | None = None
    remedy: str = ""
    stops_writes: bool = False
    ends_session: bool = False

    def told(self) -> str:
        """Return what a caller is told whose statement was refused."""
        advice = " Try again shortly." if self.retry_after is not None else ""
        if self.retry_after is None and self.remedy:
            advice = f" {self.remedy}"
        return f"{self.matter}; nothing was written.{advice}"
