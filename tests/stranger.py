"""A stranger, who adds something to a copy of this tree as CONTRIBUTING.md says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

from checkout import ROOT, copy_checkout

PROGRAMS = Path(sys.executable).parent
# Neither the environment is to be made here, nor anything of the make that runs the tests.
_REFERENCE = ("make", "-o", ".venv/.installed", f"RUN={PROGRAMS}", "reference")
# What an assertion says of itself suffices: to compare whole pages takes longer than all else.
_PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--assert=plain")


class Stranger:
    """Writes by hand, lets `make reference` write, and runs checks: all in a copy of the tree.

    The copy is served by this environment's Python, which finds the copy's modules first.

    Attributes:
        root: The copy.
    """

    def __init__(self, root: Path) -> None:
        """Make the copy, with all in it committed.

        Args:
            root: A directory that is not there yet.
        """
        self.root = root
        copy_checkout(root, compiled=True)
        self._run("git", "init", "--quiet")
        self._commit("as it was")

    def writes(self, path: str, text: str) -> None:
        """Write a new file by hand.

        Args:
            path: Below the copy, and not there yet.
            text: What it says; its indentation is taken off.
        """
        file = self.root / path
        assert not file.exists(), f"{path} is there already"
        file.write_text(dedent(text).lstrip("\n"), "utf-8")

    def inserts(self, path: str, before: str, text: str) -> None:
        """Insert lines into a file by hand.

        Args:
            path: Below the copy.
            before: The line that they come before, or the only beginning of one; indented as there.
            text: The lines, indented as they shall be.
        """
        file = self.root / path
        lines = file.read_text("utf-8").splitlines(keepends=True)
        (place,) = (number for number, line in enumerate(lines) if line.startswith(before))
        lines.insert(place, text.strip("\n") + "\n")
        file.write_text("".join(lines), "utf-8")

    def appends(self, path: str, text: str) -> None:
        """Add lines to a file's end by hand.

        Args:
            path: Below the copy.
            text: The lines; their indentation is taken off.
        """
        with (self.root / path).open("a", encoding="utf-8") as file:
            file.write(dedent(text))

    def cannot_make_reference(self) -> str:
        """Run `make reference`, which must fail and change nothing; return what it says."""
        before = self.changed()
        done = self._done(*_REFERENCE)
        assert done.returncode, done.stdout
        assert self.changed() == before
        return done.stderr

    def makes_reference(self) -> set[str]:
        """Run `make reference`; return the files that it has changed.

        What was written by hand until now counts as done.
        """
        self._commit("by hand")
        self._run(*_REFERENCE)
        return self.changed()

    def changed(self) -> set[str]:
        """Return the files that differ from the last commit, and those that are new."""
        listed = self._run("git", "status", "--porcelain", "--untracked-files=all")
        return {line[3:] for line in listed.splitlines()}

    def checks_style(self) -> None:
        """Run what `make lint` runs of ruff, and import-linter: nothing may be found."""
        self._run(PROGRAMS / "ruff", "check", "--quiet", "--no-cache")
        self._run(PROGRAMS / "ruff", "format", "--quiet", "--check", "--no-cache")
        self._run(PROGRAMS / "lint-imports", "--no-cache")

    def checks_types(self, *paths: str) -> None:
        """Check the types of some files, and of what they import: nothing may be found."""
        cache = self.root.parent / "types"
        if (known := ROOT / ".mypy_cache").is_dir() and not cache.exists():
            shutil.copytree(known, cache)  # `make types` has been here: what is as it was counts
        self._run(PROGRAMS / "mypy", "--cache-dir", cache, *paths)

    def tests(self, *selection: str) -> str:
        """Run tests of the copy, each of which must pass; return what pytest says.

        Args:
            selection: pytest's words.
        """
        said = self._run(*_PYTEST, *selection)
        assert " passed" in said, said
        return said

    def fails(self, *selection: str) -> str:
        """Run tests of the copy, of which some must fail; return what pytest says."""
        done = self._done(*_PYTEST, *selection)
        assert done.returncode == 1, done.stdout + done.stderr
        return done.stdout

    def _commit(self, message: str) -> None:
        self._run("git", "add", "--all")
        author = ("-c", "user.name=Stranger", "-c", "user.email=stranger@example.com")
        self._run("git", *author, "commit", "--quiet", "--allow-empty", "--message", message)

    def _run(self, *words: str | Path) -> str:
        done = self._done(*words)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def _done(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        environment = {
            name: text
            for name, text in os.environ.items()
            if not name.startswith(("GIT_", "MAKE", "PYTEST_"))
        }
        return subprocess.run(
            [str(word) for word in words],
            cwd=self.root,
            env=environment | {"PYTHONPATH": str(self.root / "daemon")},
            capture_output=True,
            text=True,
            check=False,
        )


def git_is_there() -> bool:
    """Tell whether there is a git: it says what a stranger has changed."""
    return shutil.which("git") is not None
