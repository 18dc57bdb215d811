"""Queries of Prometheus', as alerts and panels have them: metrics are written without prefix."""

from __future__ import annotations

import re

from tools.reference import IncompleteError

from autogpt_db.metrics.declaration import PREFIX
from autogpt_db.metrics.families import FAMILIES

_OTHERS = re.compile(
    r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]|\b(?:by|without|on|ignoring)\s*\([^)]*\)|\b\w+\s*(?=\()'
    r"|\b\w+\s+(?=(?:by|without)\b)"
    r"|\b(?:and|or|unless|bool|offset)\b"
)
"""What is no metric: texts, matchers, spans of time, labels, functions, operators."""
_WORD = re.compile(r"\b[a-z_]\w*")
_OF_HISTOGRAMS = re.compile(r"_(?:bucket|sum|count)$")
_PROMETHEUS = {"up"}
"""What Prometheus itself measures."""


def refuse_unknown_metrics(query: str, place: str) -> None:
    """Refuse a query that names a metric which isn't declared.

    Args:
        query: The query.
        place: Where it stands, for people.

    Raises:
        IncompleteError: It does.
    """
    for name in _WORD.findall(_OTHERS.sub(" ", query)):
        whole = {PREFIX + name, PREFIX + _OF_HISTOGRAMS.sub("", name)}
        if name not in _PROMETHEUS and not whole & FAMILIES.keys():
            raise IncompleteError(
                f"{place} names the metric {name}, which metrics/families/ doesn't declare. It is "
                "written without prefix, and a histogram's with _bucket, _sum or _count."
            )
