"""Print the test files that concern what has changed since main, the nearest first (`make quick`).

A file is as far from a change as there are imports between the two. What a test's helper starts
counts as imported by it, as does a module whose methods a test calls by name. Tests that take
minutes are left to `make test`, unless they have changed themselves.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import defaultdict, deque
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).parents[1]
QUICK = ("tests/unit", "tests/integration")
FARTHEST, MOST = 3, 30
"""Imports, and files: of more, none would be begun in time, and each has to be found first."""
STARTED = {
    "tests/api_process.py": ("daemon/autogpt_db/api/*",),
    "tests/daemon_process.py": (
        "daemon/autogpt_db/main.py",
        "daemon/autogpt_db/cli/*",
        "daemon/autogpt_db/supervision/*",
    ),
}
"""Helpers, and what runs in the processes that they start."""
READ = {
    "tests/integration/test_schema.py": ("daemon/autogpt_db/database/migrations/*",),
    "tests/unit/test_manual.py": ("docs/*", "README.md"),
    "tests/unit/test_howtos.py": ("docs/*", "README.md", "SECURITY.md"),
    "tests/unit/test_reference.py": ("docs/reference/*", "etc/*", "deploy/systemd/*"),
    "tests/unit/test_map.py": ("docs/architecture.md", "CONTRIBUTING.md", "pyproject.toml"),
    "tests/unit/test_monitoring_pages.py": ("docs/monitoring/*", "tools/reference/*.toml"),
    "tests/unit/test_container.py": ("deploy/*",),
    "tests/unit/test_releases.py": ("tests/releases/*", "daemon/autogpt_db/database/releases.json"),
}
"""Tests, and what they read besides Python."""


def changed() -> set[str]:
    """Return the files that differ from main; on main itself, those of the last commit."""
    base = _git("merge-base", "HEAD", "main") or _git("merge-base", "HEAD", "origin/main")
    found = _git("diff", "--name-only", base or "HEAD").split()
    found += _git("ls-files", "--others", "--exclude-standard").split()
    return set(found or _git("diff", "--name-only", "HEAD~1").split())


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def importers(files: Iterable[str]) -> dict[str, set[str]]:
    """Return for each file those that import it, or what counts as importing it."""
    sources = {one: (ROOT / one).read_text("utf-8") for one in files if one.endswith(".py")}
    modules = {module_of(one): one for one in sources}
    methods = {
        name: one
        for one, text in sources.items()
        if one.startswith("daemon/autogpt_db/operations/")
        for name in re.findall(r"^async def ([a-z]\w*)\(", text, re.MULTILINE)
    }
    found: dict[str, set[str]] = defaultdict(set)
    for one, text in sources.items():
        imported = {modules[name] for name in imports(text) if name in modules}
        if one.startswith("tests/"):
            imported |= {methods[word] for word in re.findall(r'"(\w+)"', text) if word in methods}
        patterns = STARTED.get(one, ()) + READ.get(one, ())
        imported |= {path for path in files if any(fnmatch(path, each) for each in patterns)}
        for path in imported - {one}:
            found[path].add(one)
    return found


def module_of(path: str) -> str:
    """Return the name that a file is imported by."""
    for top in ("daemon/", "tests/", ""):
        if path.startswith(top):
            name = path.removeprefix(top).removesuffix(".py").removesuffix("/__init__")
            return name.replace("/", ".")
    raise AssertionError


def imports(text: str) -> Iterator[str]:
    """Yield all that a source imports, anywhere in it; of `from a import b` both `a` and `a.b`."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{one.name}" for one in node.names)


def distances(start: set[str], edges: dict[str, set[str]]) -> dict[str, int]:
    """Return how far from the start each file is that is no farther than `FARTHEST`."""
    found = dict.fromkeys(start, 0)
    waiting = deque(start)
    while waiting:
        one = waiting.popleft()
        for following in edges[one] - found.keys() if found[one] < FARTHEST else ():
            found[following] = found[one] + 1
            waiting.append(following)
    return found


def main() -> None:
    """Print them, one a line; on stderr, how many more there are."""
    files = _git("ls-files", "--cached", "--others", "--exclude-standard").split()
    there = {one for one in files if (ROOT / one).exists()}
    far = distances(changed() & there, importers(there))
    tests = [
        one
        for one in far
        if re.fullmatch(r"tests/.*/test_\w+\.py", one)
        and not one.startswith(("tests/service/", "tests/upgrade/"))
        and (one.startswith(QUICK) or not far[one])
    ]
    tests.sort(key=lambda one: (far[one], not one.startswith(QUICK[0]), one))
    sys.stdout.write("".join(f"{one}\n" for one in tests[:MOST]))
    if left := len(tests[MOST:]):
        sys.stderr.write(f"{left} files of tests are farther from the change: make test\n")


if __name__ == "__main__":
    main()
