"""`make docs` makes a site of all pages: no internet is needed, and every link leads somewhere."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from checkout import ROOT, uv

SITE = ROOT / "build" / "site"
SPHINX = ROOT / "build" / "docs" / "bin" / "sphinx-build"
KINDS = ("docs/howto/*.md", "docs/reference/*.md", "docs/*.md", "*.md")

FETCHED = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*?\bsrc\s*=\s*["']?(?P<source>[^"'\s>]+)
    | <link\b[^>]*?\bhref\s*=\s*["']?(?P<link>[^"'\s>]+)
    | (?:\burl\(|@import)\s*["']?(?P<style>[^"'\s)]+)""",
    re.VERBOSE,
)
"""What a browser asks for by itself."""


@pytest.fixture(scope="module")
def site() -> Path:
    """Return the directory of the site, made as a newcomer makes it."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))
    }
    environment |= {"UV": str(uv())}
    ready = subprocess.run(
        [uv(), "sync", "--quiet", "--frozen", "--only-group", "docs"],
        cwd=ROOT, env=environment | {"UV_PROJECT_ENVIRONMENT": "build/docs"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if ready.returncode:
        pytest.skip(f"Sphinx is not to be had: {' '.join(ready.stderr.split()[-20:])}")
    made = subprocess.run(
        ["make", "docs"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return SITE


def test_every_page_is_on_it_and_is_found(site: Path) -> None:
    pages = {
        str(page.relative_to(ROOT).with_suffix(""))
        for pattern in KINDS
        for page in ROOT.glob(pattern)
    }
    assert {"README", "docs/index", "docs/howto/install", "docs/reference/settings"} <= pages
    assert [page for page in pages if not (site / f"{page}.html").is_file()] == []
    index = (site / "searchindex.js").read_text("utf-8")
    assert [page for page in pages if f'"{page}"' not in index] == []
    navigation = (site / "docs" / "index.html").read_text("utf-8")
    captions = re.findall(r'class="caption-text">([^<]+)<', navigation)
    assert {"How to", "Reference", "Explanation"} <= {*captions}
    assert 'url=docs/index.html"' in (site / "index.html").read_text("utf-8")


def test_nothing_is_fetched_from_elsewhere_and_all_of_it_is_there(site: Path) -> None:
    looked_at = 0
    for file in (*site.rglob("*.html"), *site.rglob("*.css")):
        for found in FETCHED.finditer(file.read_text("utf-8")):
            (place,) = (group for group in found.groups() if group is not None)
            if place.startswith(("#", "data:")):
                continue
            assert not re.match(r"(?:[a-z]+:)?//", place), (file, place)
            assert (file.parent / re.split(r"[?#]", place)[0]).exists(), (file, place)
            looked_at += 1
    assert looked_at > 100


@pytest.mark.usefixtures("site")
def test_a_link_to_nowhere_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for name, text in {
        "index": "# Here\n\n[a page](no-such.md)\n[an anchor](there.md#no-such)\n[one](#no-such)\n",
        "there": "# There\n\n![a picture](no-such.svg)\n",
    }.items():
        (tmp_path / "docs" / f"{name}.md").write_text(text)
    words = ["-q", "-W", "--keep-going", "-b", "dummy", "-c", str(ROOT / "tools" / "site")]
    done = subprocess.run(
        [SPHINX, *words, tmp_path, tmp_path / "made"], capture_output=True, text=True, check=False
    )
    print(done.stderr)
    assert done.returncode == 1
    faults = re.findall(r"docs/(index|there)\.md:\d+: WARNING: .*no-such", done.stderr)
    assert sorted(faults) == ["index", "index", "index", "there"]
