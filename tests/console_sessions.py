"""Console sessions in the documentation, run as a reader would type them."""

from __future__ import annotations

import re
import subprocess
import textwrap
from typing import TYPE_CHECKING, NamedTuple, Self

from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_BLOCK = re.compile(r"^ *```console\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_DOCUMENT = re.compile(r"<<'(\w+)'$")
_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_TIME = r"\d{4}-\d\d-\d\dT[\d:.]+Z?"
# What differs from one run to the next; everything else is as it is written.
_VARYING = re.compile(
    rf"(?P<gap>…)|(?P<uuid>{_UUID})|(?P<time>{_TIME})|(?P<number>\d+)|(?P<blank>[ ]+|-{{3,}})"
)
_END = "end-of-command"


class Step(NamedTuple):
    """A command and what the page says that it prints.

    Attributes:
        command: As typed, continuation lines and here-documents included.
        output: What follows it; "" where the page shows nothing.
    """

    command: str
    output: str


def steps(page: str, prompt: str = "$ ") -> list[Step]:
    """Return the commands of a page's console blocks, in order.

    Args:
        page: Markdown, or a part of it.
        prompt: What commands begin with.
    """
    found: list[Step] = []
    for block in _BLOCK.findall(page):
        command: list[str] = []
        output: list[str] = []
        document = ""
        for line in textwrap.dedent(block).splitlines():
            if document:
                command.append(line)
                document = "" if line == document else document
                continue
            if line.startswith(prompt):
                if command:
                    found.append(Step("\n".join(command), "\n".join(output)))
                command, output = [line.removeprefix(prompt)], []
            elif command and not output and command[-1].endswith("\\"):
                command.append(line)
            elif command:
                output.append(line)
            if found_document := _DOCUMENT.search(line):
                document = found_document[1]
        if command:
            found.append(Step("\n".join(command), "\n".join(output)))
    return found


def matches(expected: str, printed: str) -> bool:
    """Tell whether a command printed what the page says, but for ids, times, numbers and `…`."""

    def pattern_of(found: re.Match[str]) -> str:
        kinds = {"gap": ".*", "uuid": _UUID, "time": _TIME, "number": r"\d+", "blank": r"[ -]+"}
        assert found.lastgroup is not None
        return kinds[found.lastgroup]

    lines = [line.rstrip() for line in expected.strip().splitlines()]
    pattern = ""
    for line in lines:
        place = 0
        for found in _VARYING.finditer(line):
            pattern += re.escape(line[place : found.start()]) + pattern_of(found)
            place = found.end()
        pattern += re.escape(line[place:]) + "[ ]*\n"
    return re.fullmatch(pattern, printed.strip() + "\n", re.DOTALL) is not None


class Shell:
    """One bash that runs command after command, as a reader's does.

    Args:
        directory: Where it begins.
        environment: All that it has.
        through: A program that starts it, and what stands before its name there.
    """

    def __init__(
        self, directory: Path, environment: Mapping[str, str], through: Iterable[str] = ()
    ) -> None:
        self._process = subprocess.Popen(
            [*through, "bash", "--norc", "--noprofile"],
            cwd=directory,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.kill()
        self._process.communicate()

    def run(self, command: str) -> tuple[int, str]:
        """Run a command; return its exit status and what it printed, errors included."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{command}\n_status=$?; echo; echo {_END} $_status\n")
        self._process.stdin.flush()
        printed: list[str] = []
        for line in self._process.stdout:
            if line.startswith(_END):
                return int(line.split()[1]), "".join(printed).rstrip("\n")
            printed.append(line)
        raise AssertionError(f"the shell ended at {command!r}: {''.join(printed)}")

    def check(self, command: str) -> str:
        """Run a command that must succeed; return what it printed."""
        status, printed = self.run(command)
        assert status == 0, f"{command}\nended with {status}:\n{printed}"
        return printed


def show(shell: Shell, page: str, elsewhere: Mapping[str, str]) -> None:
    """Run a page's commands one after the other; each prints what the page shows.

    Args:
        shell: Where they run.
        page: Markdown, or a part of it.
        elsewhere: What is somewhere else here than on the page, such as the port.
    """
    for step in steps(page):
        command = step.command
        for place, here in elsewhere.items():
            command = command.replace(place, here)

        def shown(step: Step = step, command: str = command) -> bool:
            printed = shell.check(command)
            said = not step.output or matches(step.output, printed)
            # A process may be at work of its own in the moment that is shown.
            assert said or command == "autogpt-db status", f"{command}\nprinted\n{printed}"
            return said

        wait_for(shown, what=f"what the page shows of {command}")
