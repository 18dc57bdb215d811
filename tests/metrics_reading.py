"""Reading Prometheus' text with its own library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from autogpt_db.metrics.declaration import Family

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
"""Values by name and sorted labels."""


def parse(text: str) -> Samples:
    """Return every sample."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(samples: Samples, family: Family, suffix: str = "", **labels: str) -> float:
    """Return one sample."""
    return samples[family.name + suffix, tuple(sorted(labels.items()))]


def total(samples: Samples, family: Family, **labels: str) -> float:
    """Return the sum of a family's samples with these labels; 0 where there are none."""
    return sum(
        found
        for (name, given), found in samples.items()
        if name == family.name and labels.items() <= dict(given).items()
    )
