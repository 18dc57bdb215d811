"""AutoGPT's releases as the package knows them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tools.releases import STATES, facts, spans

import autogpt_db
from autogpt_db.database.capabilities import Capabilities
from autogpt_db.database.catalogue import Catalogue
from autogpt_db.database.releases import (
    RELEASES,
    Release,
    catalogue_of,
    find,
    first_release_of,
    looks_like,
    methods_of,
    newest_shown,
)
from autogpt_db.operations import load_operations
from releases.catalogues import RELEASES as CATALOGUES
from releases.catalogues import catalogue

PACKAGE = Path(autogpt_db.__file__).parent
NAMES = [release.name for release in RELEASES]
# As the releases' own sources have them.
METHODS = {
    "0.6.48": 59, "0.6.49": 87, "0.6.51": 102, "0.6.54": 104, "0.6.55": 105, "0.6.57": 120,
    "0.6.58": 124, "0.6.59": 125, "0.6.60": 132, "0.6.62": 134, "0.6.64": 141, "0.6.67": 155,
    "0.6.69": 160, "0.7.0": 164, "0.7.1": 177, "0.7.2": 182,
}  # fmt: skip


@pytest.mark.parametrize("release", RELEASES, ids=NAMES)
def test_a_schema_tells_its_release(release: Release) -> None:
    catalogue = catalogue_of(release.state)
    shown = looks_like(catalogue)
    assert shown is not None
    first, _, last = shown.replace("v", "").partition(" to ")
    newest = NAMES.index(last or first)
    assert NAMES.index(first) <= NAMES.index(release.name) <= newest
    assert newest_shown(catalogue) == RELEASES[newest]


def test_what_is_none_of_autogpts_is_told_apart() -> None:
    assert looks_like(Catalogue()) is None
    assert newest_shown(Catalogue(columns={"Other": {}})) is None


def test_a_later_schema_is_told_as_one() -> None:
    newest = catalogue_of(RELEASES[-1].state)
    later = Catalogue(columns={**newest.columns, "AlertCondition": {"id": ("text", "")}})
    assert looks_like(later) == "v0.7.3 or later"
    assert newest_shown(later) == RELEASES[-1]


def test_each_release_has_its_methods() -> None:
    counted = {release.name: len(methods_of(release)) for release in RELEASES}
    expected = 0
    for name in NAMES:
        expected = METHODS.get(name, expected)
        assert counted[name] == expected, name
    (oldest, newest) = (find("v0.6.59"), find("0.6.60"))
    assert oldest is not None and newest is not None  # noqa: PT018
    assert set(methods_of(oldest)) - set(methods_of(newest)) == {"get_chat_session"}
    assert first_release_of("get_chat_session") == "0.6.49"
    assert first_release_of("get_nothing") is None
    assert find("9.9.9") is None


def test_the_package_knows_what_the_catalogues_say() -> None:
    states = [facts(catalogue(name)) for name in STATES]
    known = json.loads((PACKAGE / "database" / "releases.json").read_text())
    assert known["states"] == list(STATES) == list(CATALOGUES)
    for kind, rows in json.loads(json.dumps(spans(states))).items():
        assert known[kind] == rows, kind


def test_readme_names_what_is_not_served() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    _, _, left = readme.partition("bound to AutoGPT's own code")
    named = re.findall(r"`([a-z_]+)`", left.partition("For those")[0])
    called = {method for release in RELEASES for method in methods_of(release)}
    assert set(named) == called - load_operations().keys()


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)
def test_a_release_has_all_that_what_it_calls_needs(release: Release) -> None:
    catalogue = catalogue_of(release.state)
    capabilities = Capabilities.of(catalogue)
    operations = load_operations()
    lacks = {
        method: [lack.what for lack in operations[method].needs(capabilities).lacks(catalogue)]
        for method in methods_of(release)
        if method in operations
    }
    assert {method: each for method, each in lacks.items() if each} == {}
