"""How `make docs` makes a site of the repository's pages, by Sphinx.

Sphinx reads the pages where they are, from the repository's root: a link leads to the same file
on the site, on the machine and where the repository is shown. A file that is no page of the site
is copied along when one links to it. Nothing here is a list of pages.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT: Final = Path(__file__).parents[2]

project = "autogpt-db"
version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
author = "autogpt-db's developers"
language = "en"

extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = ["*.md", "bench/README.md", "docs/**.md"]
exclude_patterns = [".*", "build", "dist", "tests"]
# Anchors of headings, as they are where the repository is shown; a link to none is an error.
myst_heading_anchors = 6
# What a page shows of JSON has gaps (`…`), and the lexer for it knows none.
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "furo"
html_title = f"autogpt-db {version}"
html_copy_source = False
html_show_copyright = False
# The site's own first page, which leads to that of the documentation.
html_extra_path = ["root"]

KINDS: Final = {
    "Start here": ["README"],
    "How to": ["docs/howto/*"],
    "Reference": ["docs/reference/*"],
    "Explanation": ["docs/architecture", "bench/README"],
    "The project": ["CONTRIBUTING", "SECURITY", "CHANGELOG"],
}
"""The site's navigation: pages by their kind, which their folder says."""


def add_navigation(_app: Sphinx, page: str, source: list[str]) -> None:
    """Append the navigation to the first page, which is read as it stands everywhere else."""
    if page != root_doc:
        return
    for kind, places in KINDS.items():
        lines = ["```{toctree}", ":hidden:", ":glob:", f":caption: {kind}", ""]
        source[0] += "\n".join(["", *lines, *(f"/{place}" for place in places), "```", ""])


def setup(app: Sphinx) -> dict[str, Any]:
    """Have Sphinx ask for the navigation."""
    app.connect("source-read", add_navigation)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
