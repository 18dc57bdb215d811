"""Declaring metrics: each is one line of a file in families/, which everything else derives from.

USERS = gauge("users", "Users that there are.")
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PREFIX = "autogpt_db_"


@dataclass(frozen=True, slots=True)
class Family:
    """A metric, with all its labels' values.

    Attributes:
        name: As Prometheus knows it.
        kind: Prometheus' type.
        help: What it says, in a sentence.
        labels: Names of its labels.
        bounds: Upper bounds of a histogram's buckets, the last one (infinity) left out.
        own: Whether the label `process` stands first and names the process that measured it;
            all others are summed over the processes.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    own: bool = False

    @property
    def short_name(self) -> str:
        """Return the name as it is stored."""
        return self.name.removeprefix(PREFIX)


def counter(name: str, text: str, *labels: str, own: bool = False) -> Family:
    """Declare what only grows.

    Args:
        name: Without the prefix; ends with `_total`.
        text: What it says, in a sentence.
        labels: Names of its labels.
        own: Whether it has the label `process` as well, and isn't summed over the processes.
    """
    return _declare(name, "counter", text, labels, own=own)


def gauge(name: str, text: str, *labels: str, own: bool = False) -> Family:
    """Declare what goes up and down.

    Args:
        name: Without the prefix.
        text: What it says, in a sentence.
        labels: Names of its labels.
        own: Whether it has the label `process` as well, and isn't summed over the processes.
    """
    return _declare(name, "gauge", text, labels, own=own)


def histogram(name: str, bounds: tuple[float, ...], text: str, *labels: str) -> Family:
    """Declare how what is observed is spread.

    Args:
        name: Without the prefix.
        bounds: Upper bounds of its buckets, infinity left out.
        text: What it says, in a sentence.
        labels: Names of its labels.
    """
    return _declare(name, "histogram", text, labels, bounds)


def _declare(
    name: str,
    kind: Literal["counter", "gauge", "histogram"],
    text: str,
    labels: tuple[str, ...],
    bounds: tuple[float, ...] = (),
    *,
    own: bool = False,
) -> Family:
    return Family(PREFIX + name, kind, text, (("process",) if own else ()) + labels, bounds, own)
