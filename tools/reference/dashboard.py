"""The dashboard for Grafana, from dashboard.toml and from the metrics that it leaves out."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.reference.queries import refuse_unknown_metrics

from autogpt_db.metrics.declaration import PREFIX, Family
from autogpt_db.metrics.families import FAMILIES, SECTIONS, declared_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PANELS = Path(__file__).with_name("dashboard.toml")
_COLUMNS = 24
_WIDTH = 6
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_NAME = re.compile(r"\b([a-z_]+)(?:\{([^}]*)\})?")
_PARTS = ("_bucket", "_sum", "_count")
_UNITS = {
    "_seconds": "s",
    "_bytes": "bytes",
    "_ratio": "percentunit",
    "_percent": "percent",
    "_total": "cps",
}
_OPTIONS: dict[str, dict[str, Any]] = {
    "stat": {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value"},
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom"},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
}
_HEIGHTS = {"stat": 4, "timeseries": 8}
_FRAME: dict[str, Any] = {
    "title": "autogpt-db",
    "uid": "autogpt-db",
    "tags": ["autogpt-db"],
    "schemaVersion": 39,
    "version": 1,
    "editable": True,
    "refresh": "30s",
    "time": {"from": "now-3h", "to": "now"},
    "timezone": "browser",
    "templating": {
        "list": [
            {
                "name": "datasource",
                "label": "Data source",
                "type": "datasource",
                "query": "prometheus",
            },
            {
                "name": "instance",
                "label": "Host",
                "type": "query",
                "datasource": _SOURCE,
                "query": "label_values(autogpt_db_build_info, instance)",
                "refresh": 2,
                "includeAll": True,
                "multi": True,
                "allValue": ".*",
                "current": {"text": "All", "value": "$__all"},
            },
        ]
    },
}


def dashboard() -> str:
    """Return the dashboard as Grafana imports it."""
    return json.dumps(_FRAME | {"panels": list(_panels())}, indent=1) + "\n"


def _panels() -> Iterator[dict[str, Any]]:
    declared = tomllib.loads(_PANELS.read_text("utf-8"))
    number = top = 0
    for row, panels in _rows(declared):
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": row["title"],
            "collapsed": False,
            "gridPos": {"h": 1, "w": _COLUMNS, "x": 0, "y": top},
            "panels": [],
        }
        top += 1
        left = height = 0
        for panel in panels:
            if left + panel["width"] > _COLUMNS:
                left, top = 0, top + height
            height = _HEIGHTS[panel.get("type", "timeseries")]
            number += 1
            yield _panel(panel, number, {"h": height, "w": panel["width"], "x": left, "y": top})
            left += panel["width"]
        top += height


def _rows(declared: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Yield each row with its panels, those of metrics that are in none of them included."""
    text = json.dumps(declared["row"])
    shown = {_family_of(name[1]) for name in _NAME.finditer(text)} | {*declared["unshown"]}
    sections = {module.__name__.rpartition(".")[2]: declared_in(module) for module in SECTIONS}
    for row in declared["row"]:
        for panel in row["panel"]:
            for each in panel["queries"]:
                place = f"The panel {panel['title']!r} in {_PANELS.name}"
                refuse_unknown_metrics(each["query"], place)
        left_out = [
            family
            for family in sections.get(row.get("section", ""), [])
            if family.short_name not in shown
        ]
        yield row, row["panel"] + [_of_its_own(family) for family in left_out]


def _family_of(name: str) -> str:
    part = next((part for part in _PARTS if name.endswith(part)), "")
    histogram = FAMILIES.get(PREFIX + name.removesuffix(part))
    return name.removesuffix(part) if histogram and histogram.bounds else name


def _of_its_own(family: Family) -> dict[str, Any]:
    """Return the panel of a metric that dashboard.toml doesn't mention."""
    name = family.short_name
    labels = ", ".join(label for label in family.labels if label != "process")
    by = f" by ({labels})" if labels else ""
    legend = " ".join(f"{{{{{label}}}}}" for label in family.labels)
    if family.kind == "histogram":
        by = f" by (le, {labels})" if labels else " by (le)"
        query = f"histogram_quantile(0.99, sum{by} (rate({name}_bucket[R])))"
        legend = f"{legend} 99 %".strip()
    elif family.kind == "counter":
        query = f"rate({name}[R])" if family.own else f"sum{by} (rate({name}[R]))"
    else:
        query = name if family.own else f"max{by} ({name})"
    return {
        "title": name.removesuffix("_total").replace("_", " ").capitalize(),
        "description": family.help,
        "unit": next((unit for end, unit in _UNITS.items() if name.endswith(end)), "short"),
        "width": _WIDTH,
        "queries": [
            {"query": query, "legend": f"{{{{instance}}}} {legend}" if family.own else legend}
        ],
    }


def _panel(declared: Mapping[str, Any], number: int, place: Mapping[str, int]) -> dict[str, Any]:
    kind = declared.get("type", "timeseries")
    return {
        "id": number,
        "type": kind,
        "title": declared["title"],
        "description": declared.get("description", ""),
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": declared["unit"], "min": 0}, "overrides": []},
        "targets": [
            {
                "expr": _expression(each["query"]),
                "legendFormat": each["legend"],
                "refId": chr(ord("A") + place_in_it),
                "datasource": _SOURCE,
            }
            for place_in_it, each in enumerate(declared["queries"])
        ],
        "options": _OPTIONS[kind] | ({"textMode": declared["text"]} if "text" in declared else {}),
    }


def _expression(query: str) -> str:
    """Return a query as Prometheus takes it: metrics with their prefix, of the chosen hosts."""

    def whole(found: re.Match[str]) -> str:
        if PREFIX + _family_of(found[1]) not in FAMILIES:
            return found[0]
        matchers = ",".join(filter(None, ('instance=~"$instance"', found[2])))
        return f"{PREFIX}{found[1]}{{{matchers}}}"

    return _NAME.sub(whole, query).replace("[R]", "[$__rate_interval]")
