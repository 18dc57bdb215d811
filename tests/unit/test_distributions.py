"""The two distributions: one version, no file in both, and nothing needed that isn't declared."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

from autogpt_db import __version__

ROOT = Path(__file__).parents[2]
CODE = ROOT / "daemon"


def described(directory: Path) -> dict[str, Any]:
    return tomllib.loads((directory / "pyproject.toml").read_text("utf-8"))


SERVICE = described(ROOT)
CLIENT = described(CODE)


def test_all_say_the_same_version() -> None:
    assert SERVICE["project"]["version"] == CLIENT["project"]["version"] == __version__
    assert f"autogpt-db-client=={__version__}" in SERVICE["project"]["dependencies"]
    locked = tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))["package"]
    versions = {one["name"]: one["version"] for one in locked}
    assert versions["autogpt-db"] == versions["autogpt-db-client"] == __version__, "uv lock"
    for page in (ROOT / "docs/man").iterdir():
        heading = page.read_text("utf-8").splitlines()[1]
        assert heading.endswith(f'"autogpt\\-db {__version__}"'), f"{page.name}: make reference"
    headings = re.findall(r"(?m)^## (.*)", (ROOT / "CHANGELOG.md").read_text("utf-8"))
    released = [heading for heading in headings if heading != "Unreleased"]
    assert released[0].split()[0] == __version__, "CHANGELOG.md begins with what is built"


def test_they_share_a_package_and_no_file() -> None:
    slim = {f"/daemon/{path}" for path in CLIENT["tool"]["hatch"]["build"]["only-include"]}
    assert slim == {*SERVICE["tool"]["hatch"]["build"]["targets"]["wheel"]["exclude"]}
    for path in slim:
        assert (ROOT / path.lstrip("/")).exists(), path


def test_the_slim_one_imports_what_it_declares_and_itself() -> None:
    found = set()
    slim = [path for path in CLIENT["tool"]["hatch"]["build"]["only-include"] if "." not in path]
    for file in (file for path in slim for file in (CODE / path).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.module is not None
                found.add(node.module)
    others = {
        name
        for name in found
        if name.split(".")[0] not in sys.stdlib_module_names
        and not f"{name}/".replace(".", "/").startswith(tuple(f"{path}/" for path in slim))
    }
    declared = CLIENT["project"]["dependencies"]
    assert others == {requirement.split(">")[0] for requirement in declared}
    # Installed side by side they agree on what both need.
    assert {*declared} <= {*SERVICE["project"]["dependencies"]}


def test_they_have_one_licence_and_one_range_of_pythons() -> None:
    assert (CODE / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert CLIENT["project"]["requires-python"] == SERVICE["project"]["requires-python"]
