"""The dashboard and the alert rules name only metrics and labels that there are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tools.reference import IncompleteError
from tools.reference.alerts import alerts_of
from tools.reference.dashboard import dashboard
from tools.reference.queries import refuse_unknown_metrics

from autogpt_db.logs.events import all_events
from autogpt_db.metrics import families
from autogpt_db.metrics.declaration import PREFIX, counter, gauge, histogram
from autogpt_db.metrics.families import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Iterator

MONITORING = Path(__file__).parents[2] / "docs" / "monitoring"
RULES = MONITORING / "alerts.yml"
DASHBOARD = MONITORING / "dashboard.json"
PANELS = Path(__file__).parents[2] / "tools" / "reference" / "dashboard.toml"
# What Prometheus adds to each scrape, and what the dashboard's own variables are.
GIVEN = {"instance", "job", "le"}
METRIC = re.compile(r"autogpt_db_\w+")
LABELS = re.compile(r"(autogpt_db_\w+)\{([^}]*)\}|by \(([^)]*)\)")


def panels(found: Any) -> Iterator[dict[str, Any]]:
    for panel in found["panels"]:
        yield panel
        yield from panels(panel) if "panels" in panel else ()


def expressions() -> list[str]:
    """Return every query of the dashboard, and the text of the rules."""
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))
    queries = [target["expr"] for panel in panels(dashboard) for target in panel.get("targets", ())]
    queries += [variable["query"] for variable in dashboard["templating"]["list"]]
    assert len(queries) > 30
    return [*queries, RULES.read_text("utf-8")]


def family_of(name: str) -> str:
    """Return the family that a sample belongs to."""
    found = re.sub(r"_(bucket|sum|count)$", "", name)
    histogram = found in FAMILIES and FAMILIES[found].kind == "histogram"
    assert not (histogram and found == name), f"{name} is a histogram: say which part of it"
    return found if histogram else name


def test_every_metric_that_is_named_exists() -> None:
    named = {family_of(name) for text in expressions() for name in METRIC.findall(text)}
    assert named - FAMILIES.keys() == set()
    # And what is measured is shown; what only says what something is needs no graph.
    shown = {family_of(name) for text in expressions()[:-1] for name in METRIC.findall(text)}
    unshown = {f"{PREFIX}{name}" for name in tomllib.loads(PANELS.read_text("utf-8"))["unshown"]}
    assert FAMILIES.keys() - shown == unshown, "run: make reference"


def test_a_metric_that_is_misspelt_is_refused_and_all_else_of_a_query_is_none() -> None:
    for query in (
        'up{job="autogpt-db"} == 0 and on (instance) database_up offset 5m < 1e9',
        "topk(10, sum by (le, method) (rate(request_duration_seconds_bucket[R]))) or vector(0)",
    ):
        refuse_unknown_metrics(query, "here")
    for query in ("database_upp == 0", "rate(requests_bucket[5m]) > 1", "autogpt_db_database_up"):
        with pytest.raises(IncompleteError, match=r"here names the metric .* without prefix"):
            refuse_unknown_metrics(query, "here")


def test_every_label_that_is_named_is_one_of_that_metric() -> None:
    known = {label for family in FAMILIES.values() for label in family.labels} | GIVEN
    for text in expressions():
        for metric, matchers, grouped in LABELS.findall(text):
            if metric:
                labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
                assert labels <= {*FAMILIES[family_of(metric)].labels, *GIVEN}, text
            else:
                assert {label.strip() for label in grouped.split(",")} <= known, text


def test_every_placeholder_of_a_legend_is_a_label() -> None:
    known = {label for family in FAMILIES.values() for label in family.labels} | GIVEN
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))
    legends = " ".join(
        target["legendFormat"] for panel in panels(dashboard) for target in panel.get("targets", ())
    )
    assert set(re.findall(r"\{\{(\w+)\}\}", legends)) <= known
    assert set(re.findall(r"\$labels\.(\w+)", RULES.read_text("utf-8"))) <= known


def test_panels_do_not_overlap_and_have_numbers_of_their_own() -> None:
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))
    taken: set[tuple[int, int]] = set()
    numbers = [panel["id"] for panel in panels(dashboard)]
    assert len(numbers) == len(set(numbers))
    for panel in panels(dashboard):
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool (Debian: prometheus) is missing")
def test_promtool_takes_the_rules() -> None:
    done = subprocess.run(
        ["promtool", "check", "rules", RULES], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_an_alert_names_the_events_that_tell_of_it() -> None:
    rules = RULES.read_text("utf-8")
    named = set(re.findall(r"EVENT=(\w+)", rules))
    assert named <= all_events().keys()
    assert {name for name, event in all_events().items() if alerts_of(event.name)} == named
    assert "-p warning EVENT=request" in rules, "of what is logged all the time, what went wrong"


def test_a_metric_that_no_panel_mentions_gets_one_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    extra = {
        "EXTRA_GAUGE": gauge("extra_bytes", "Bytes of it.", "kind"),
        "EXTRA_COUNTER": counter("extra_total", "Times.", own=True),
        "EXTRA_HISTOGRAM": histogram("extra_duration_seconds", (1.0,), "Seconds it took."),
    }
    for name, family in extra.items():
        monkeypatch.setattr(families.pools, name, family, raising=False)
    added = [panel for panel in panels(json.loads(dashboard())) if panel["title"].startswith("Ex")]
    assert [(panel["title"], panel["fieldConfig"]["defaults"]["unit"]) for panel in added] == [
        ("Extra bytes", "bytes"),
        ("Extra", "cps"),
        ("Extra duration seconds", "s"),
    ]
