"""Putting the processes' figures together, and writing them in Prometheus' text format.

The library `prometheus_client` would do both, at several times the cost and with files that grow
with each restart; tests hold what is written here against its parser.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from autogpt_db.metrics.declaration import PREFIX, Family
from autogpt_db.metrics.families import (
    FAMILIES,
    PROCESS_CPU,
    PROCESS_FILES,
    PROCESS_FILES_MAX,
    PROCESS_MEMORY,
    PROCESS_START,
    REQUEST_SECONDS,
    REQUESTS,
    SECONDS,
)
from autogpt_db.metrics.layout import SUM, VALUES
from autogpt_db.metrics.processes import usage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autogpt_db.metrics.reading import Figures

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Exposition:
    """The figures of all processes, on their way to one reply."""

    def __init__(self) -> None:
        self._series: dict[str, dict[tuple[str, ...], list[float]]] = {
            name: {} for name in FAMILIES
        }

    def set(self, family: Family, value: float | None, *labels: str) -> None:
        """Show a value; None shows nothing."""
        if value is not None:
            self._series[family.name][labels] = [float(value)]

    def add(self, figures: Figures) -> None:
        """Take in what a process has written.

        Totals of one that has ended count on; its gauges are those of nobody.
        """
        used = usage(figures.pid, figures.start)
        for key, values in figures.series.items():
            family = FAMILIES.get(PREFIX + key[0])
            if family is None:
                continue  # written by another version
            labels = (figures.name, *key[1:]) if family.own else key[1:]
            if len(labels) != len(family.labels) or (family.kind == "gauge" and used is None):
                continue
            self._add(family, labels, values)
        if used is not None:
            self.set(PROCESS_START, figures.started, figures.name)
            self.set(PROCESS_MEMORY, used.memory, figures.name)
            self.set(PROCESS_CPU, used.cpu, figures.name)
            self.set(PROCESS_FILES, used.files, figures.name)
            self.set(PROCESS_FILES_MAX, used.files_max, figures.name)

    def text(self) -> Iterator[str]:
        """Yield the reply, a family at a time."""
        self._derive()
        for name, series in self._series.items():
            family = FAMILIES[name]
            lines = [f"# HELP {name} {_escaped_help(family.help)}\n# TYPE {name} {family.kind}\n"]
            for labels, values in sorted(series.items()):
                if family.bounds:
                    lines.append(_histogram(family, labels, values))
                elif not math.isnan(values[0]):
                    lines.append(f"{name}{_labels(family.labels, labels)} {_number(values[0])}\n")
            yield "".join(lines)

    def _add(self, family: Family, labels: tuple[str, ...], values: tuple[float, ...]) -> None:
        series = self._series[family.name]
        found = series.get(labels)
        if found is None:
            series[labels] = list(values)
        else:
            series[labels] = list(map(float.__add__, found, values))

    def _derive(self) -> None:
        """Make two families of the records of requests: by status, and by duration."""
        counts = self._series[REQUESTS.name]
        seconds = self._series[REQUEST_SECONDS.name]
        for (method, status), values in counts.items():
            before = seconds.get((method,), (0.0,) * VALUES)
            seconds[method,] = list(map(float.__add__, before, values))
            counts[method, status] = [sum(values[: len(SECONDS) + 1])]


def _histogram(family: Family, labels: tuple[str, ...], values: list[float]) -> str:
    inside = _labels(family.labels, labels)
    start = f"{family.name}_bucket{inside[:-1]}," if inside else f"{family.name}_bucket{{"
    lines = []
    total = 0.0
    for bound, count in zip(_BOUND_TEXTS[family.name], values, strict=False):
        total += count
        lines.append(f'{start}le="{bound}"}} {total:.0f}\n')
    lines.append(f"{family.name}_sum{inside} {_number(values[SUM])}\n")
    lines.append(f"{family.name}_count{inside} {total:.0f}\n")
    return "".join(lines)


def _labels(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    if not names:
        return ""
    pairs = [
        f'{name}="{value.translate(_ESCAPES)}"' for name, value in zip(names, values, strict=True)
    ]
    return "{" + ",".join(pairs) + "}"


def _number(value: float) -> str:
    return f"{value:.0f}" if value.is_integer() else repr(value)


def _escaped_help(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _bound_texts(bounds: tuple[float, ...]) -> tuple[str, ...]:
    return (*(f"{bound:g}" for bound in bounds), "+Inf")


_BOUND_TEXTS = {
    name: _bound_texts(family.bounds) for name, family in FAMILIES.items() if family.bounds
}
