"""Where REST shows what an operation returns: said beside the operation, and nowhere else."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from autogpt_db.signatures.declaration import RegistrationError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
AFTER = "after_"
"""What stands before a member's name in the parameter that a page continues behind."""


@dataclass(frozen=True, slots=True)
class Resource:
    """Says where REST shows what an operation returns.

    Attributes:
        path: Where, below `/v1`; `{name}` is an argument, the others are the query's.
        summary: What it is there, where the arguments that are given make it something else than
            what the operation says of itself.
        content: The argument that says whether users' content is wanted, where one does.
        given: Arguments that aren't the client's to choose, and their values.
        pages_by: The members of its documents that order them, of a list that comes in pages. The
            operation takes one as `after_<member>` each, and `limit`; it returns one document more
            than that where more follow.
    """

    path: str
    summary: str | None = None
    content: str | None = None
    given: Mapping[str, Any] = field(default_factory=dict)
    pages_by: tuple[str, ...] = ()

    @property
    def placeholders(self) -> tuple[str, ...]:
        """Return the arguments that stand in the path."""
        return tuple(_PLACEHOLDER.findall(self.path))

    @property
    def continuations(self) -> tuple[str, ...]:
        """Return the arguments that a cursor stands for."""
        return tuple(AFTER + member for member in self.pages_by)

    def check(self, place: str, parameters: Collection[str], *, reads: bool) -> None:
        """Refuse a declaration that cannot be served.

        Args:
            place: The operation, for a message.
            parameters: Its arguments.
            reads: Whether it only reads.

        Raises:
            RegistrationError: It cannot.
        """
        if not reads:
            raise RegistrationError(f"{place} writes, and REST shows only what is read.")
        if not self.path.startswith("/") or self.path.endswith("/"):
            raise RegistrationError(f"{place} has the path {self.path!r}: write it like `/jobs`.")
        named = [*self.placeholders, *self.given, *self.continuations]
        named += ["limit"] if self.pages_by else []
        named += [self.content] if self.content else []
        unknown = [name for name in named if name not in parameters]
        if unknown or len(set(named)) < len(named):
            raise RegistrationError(
                f"{place} says by what REST shows it, but {', '.join(unknown) or 'a name twice'} "
                "is no argument of it."
            )
