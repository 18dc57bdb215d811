"""How a trouble is declared."""

from __future__ import annotations

from typing import Final, NamedTuple

ENDS: Final = "The start ends with 78."
"""How most of them show first."""


class Trouble(NamedTuple):
    """Something that can be the matter.

    Attributes:
        check: The check of `doctor` that finds it.
        symptom: How it shows to somebody who doesn't know of it.
        cause: What is the matter, in a sentence without a full stop.
        remedy: What mends it.
        whose: Who may do that, where the service's own role may not.
    """

    check: str
    symptom: str
    cause: str
    remedy: str
    whose: str = ""

    def caused(self, **names: object) -> str:
        """Return what is the matter, with its names."""
        return self.cause.format(**names)

    def remedied(self, **names: object) -> str:
        """Return what mends it, with its names."""
        return self.remedy.format(**names)

    def told(self, **names: object) -> str:
        """Return both, and who may do it."""
        whose = f"As {self.whose}: " if self.whose else ""
        return f"{self.caused(**names)}. {whose}{self.remedied(**names)}"
