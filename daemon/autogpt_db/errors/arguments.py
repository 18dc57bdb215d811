"""Arguments that fit their types and cannot be taken all the same."""

from __future__ import annotations

from typing import NamedTuple

from autogpt_db.errors.values import InvalidValueError


class Unfit(NamedTuple):
    """What fits its type and cannot be taken all the same.

    Attributes:
        argument: The argument's name.
        place: Where in the call it stands: the argument, or what is in it (`data.0.name`).
        reason: Why not, to follow its place.
    """

    argument: str
    place: str
    reason: str


class ArgumentsUnfitError(InvalidValueError):
    """Arguments that fit their types but neither PostgreSQL nor the settings.

    Attributes:
        unfit: What is wrong, each by itself.
    """

    def __init__(self, unfit: list[Unfit]) -> None:
        self.unfit = unfit
        super().__init__("; ".join(f"{each.place} {each.reason}" for each in unfit) + ".")


class LimitExceededError(ArgumentsUnfitError):
    """An argument that is larger than the settings allow."""

    def __init__(self, name: str, size: str, limit: str, most: int) -> None:
        """Name the field and its bound.

        Args:
            name: The parameter.
            size: How large it is, to follow its name: `has 5 items`.
            limit: The option that bounds it.
            most: That option's value.
        """
        argument = name.partition(".")[0]
        super().__init__(
            [Unfit(argument, name, f"{size}, and at most {most} are allowed ({limit})")]
        )
