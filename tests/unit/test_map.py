"""docs/architecture.md and CONTRIBUTING.md describe the tree as it is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "daemon" / "autogpt_db"
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
PATH = re.compile(r"`((?:[\w.<>-]+/)+[\w.*-]*|[\w-]+\.(?:py|toml|json|md))`")
MADE = ("dist/", "build/", "<runtime>/")
"""What these stand before is made by a build, or by a process."""

LONGEST_MODULE = 300
WRITTEN = {"client/async_methods.py", "client/methods.py", "client/models.py"}
"""Those that `make reference` writes."""


def part(page: str, heading: str) -> str:
    """Return what stands below a heading, up to the next."""
    found = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    assert found, f"there is no heading {heading}"
    return found


def is_there(path: str) -> bool:
    """Tell whether a path that a page names exists, from the package or from the repository."""
    return any(any(base.glob(path.rstrip("/"))) for base in (PACKAGE, ROOT, ROOT / "tests/chaos"))


def rooms() -> set[str]:
    """Return the parts that the package has, as the table of rooms writes them."""
    folders = {f"{path.parent.name}/" for path in PACKAGE.glob("*/__init__.py")}
    modules = {path.name for path in PACKAGE.glob("*.py")} - {"__init__.py", "__main__.py"}
    return folders | modules


def test_the_table_of_rooms_has_each_room_and_no_other() -> None:
    named = re.findall(r"^\| `([\w./]+)` \|", part(ARCHITECTURE, "Rooms"), re.MULTILINE)
    assert len(named) == len(set(named))
    assert rooms() - set(named) == set(), "give them a row in docs/architecture.md, Rooms"
    assert [room for room in named if not is_there(room)] == []


def test_import_linter_knows_each_room_and_they_stand_in_its_order() -> None:
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = configuration["tool"]["importlinter"]["contracts"]
    (layers,) = (each["layers"] for each in contracts if each["name"] == "Imports go down only")
    order = {
        name.strip().removeprefix("autogpt_db."): level
        for level, layer in enumerate(layers)
        for name in layer.split("|")
    }
    # The client stands apart, and has contracts of its own.
    unknown = {room.removesuffix("/").removesuffix(".py") for room in rooms()} - {"client"}
    assert unknown - order.keys() == set(), "give them a layer in pyproject.toml"
    named = re.findall(r"^\| `(\w+)(?:/|\.py)` \|", part(ARCHITECTURE, "Rooms"), re.MULTILINE)
    levels = [order[name] for name in named if name != "client"]
    assert levels == sorted(levels), "the rows of docs/architecture.md are in the layers' order"


def test_where_things_go_names_what_is_there() -> None:
    named = set(PATH.findall(part(CONTRIBUTING, "Where things go")))
    assert len(named) > 20
    # A subject's folder is named without the room that it is in.
    missing = {path for path in named if not (is_there(path) or is_there(f"operations/{path}"))}
    missing -= {path for path in missing if any(PACKAGE.rglob(path))}
    assert missing == set()


def test_every_file_that_architecture_names_is_there() -> None:
    named = set(PATH.findall(ARCHITECTURE))
    assert len(named) > 40
    missing = {path for path in named if not is_there(path) and not path.startswith(MADE)}
    missing -= {path for path in missing if any(PACKAGE.rglob(path)) or is_there(f"docs/{path}")}
    assert missing == set()


def test_the_words_are_in_order_and_in_use() -> None:
    rows = re.findall(
        r"^\| ([a-z ]+) \| .* \| `(.*)` \|$", part(ARCHITECTURE, "Words"), re.MULTILINE
    )
    words = [word for word, _ in rows if word != "word"]
    assert len(words) > 30
    assert words == sorted(set(words))
    for word, file in rows:
        text = (PACKAGE / file).read_text("utf-8").lower()
        stem = r"[\s_]".join(re.escape(each) for each in word.split())
        assert re.search(stem, text), f"{file} does not say {word!r}"


def test_no_module_is_two_things() -> None:
    long = {
        str(path.relative_to(PACKAGE)): lines
        for path in PACKAGE.rglob("*.py")
        if (lines := path.read_text("utf-8").count("\n")) > LONGEST_MODULE
    }
    assert {path for path in WRITTEN if not (PACKAGE / path).is_file()} == set()
    assert {path: lines for path, lines in long.items() if path not in WRITTEN} == {}, (
        "past 300 lines: are these two things?"
    )
