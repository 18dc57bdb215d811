"""What the clients send, and what they saw: the file for `generator.c`, and its report."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCE = Path(__file__).with_name("generator.c")
CAPTURED = "00000000-0000-0000-0000-000000000000"
"""Stands for the id that an earlier reply of the session gave."""
CAPTURED_NUMBER = 2_147_483_646
"""Stands for the number that the session's last reply of that kind was, with blanks before it."""

_HEADER = struct.Struct("<7I")


@dataclass(frozen=True, slots=True)
class Request:
    """One call, and how its answer is known.

    Attributes:
        method: The method.
        arguments: Its arguments.
        expected: Words that the reply must hold: the row's own id, `null`.
        also: More of them.
        captures: Whether the reply gives the session its node execution.
        counts: Whether the reply is a number that later requests name.
    """

    method: str
    arguments: dict[str, Any]
    expected: str
    also: str = ""
    captures: bool = False
    counts: bool = False

    def body(self) -> bytes:
        return json.dumps(self.arguments, separators=(",", ":"), ensure_ascii=False).encode()


Session = tuple[Request, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run of clients saw.

    Attributes:
        rate: Replies a second while it was measured.
        p50: Latency in milliseconds.
        p99: Likewise.
        errors: Replies that were not the answer.
        first_error: The first of them.
        acknowledged: How often each session's requests were answered, warm-up included.
        sessions: Sessions with an id of their own: session, id, requests answered.
    """

    rate: float
    p50: float
    p99: float
    errors: int
    first_error: str
    acknowledged: dict[tuple[int, int], int] = field(repr=False)
    sessions: list[tuple[int, str, int]] = field(repr=False)

    @property
    def answers(self) -> int:
        """Every reply, those of the warm-up included."""
        return sum(self.acknowledged.values())


class Generator:
    """The compiled program."""

    def __init__(self, directory: Path) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            raise SystemExit("The benchmark's clients are a C program: apt install gcc libc6-dev")
        self._directory = directory
        self._program = directory / "generator"
        command = [compiler, "-O2", "-Wall", "-Wextra", "-o", str(self._program), str(SOURCE)]
        subprocess.run(command, check=True)

    def run(
        self,
        sessions: Sequence[Session],
        *,
        port: int,
        prefix: str = "/",
        clients: int,
        seconds: float,
        warm_up: float = 0.5,
        rate: float = 0.0,
        key: str = "",
    ) -> Outcome:
        """Let clients work through the sessions, over and over.

        Args:
            sessions: Session s belongs to client s modulo `clients`.
            port: Where the server listens.
            prefix: What stands before the method's name.
            clients: Keep-alive connections.
            seconds: How long is measured.
            warm_up: How long isn't, before.
            rate: Requests a second; 0: each client sends as soon as it has its answer.
            key: What the idempotency keys begin with, of which each request has its own; empty:
                there are none.
        """
        requests = self._directory / "requests"
        outcomes = self._directory / "outcomes"
        requests.write_bytes(_encoded(sessions))
        options = {
            "port": port, "prefix": prefix, "clients": clients, "seconds": seconds,
            "warm-up": warm_up, "rate": rate, "key": key, "requests": requests, "outcomes": outcomes,
        }  # fmt: skip
        command = [str(self._program)]
        for name, value in options.items():
            command += [f"--{name}", str(value)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds + warm_up + 60, check=False
        )
        if done.returncode != 0:
            raise SystemExit(done.stderr.strip() or f"generator: exit code {done.returncode}")
        found = json.loads(done.stdout)
        acknowledged, identified = _read(outcomes, sessions)
        return Outcome(
            rate=found["answered"] / found["seconds"],
            p50=found["p50"],
            p99=found["p99"],
            errors=found["errors"],
            first_error=found["first_error"],
            acknowledged=acknowledged,
            sessions=identified,
        )


def _encoded(sessions: Sequence[Session]) -> bytes:
    parts = [struct.pack("<I", sum(map(len, sessions)))]
    for number, session in enumerate(sessions):
        for request in session:
            texts = (
                request.method.encode(),
                request.body(),
                request.expected.encode(),
                request.also.encode(),
            )
            parts += (_HEADER.pack(number, _captured(request), *map(len, texts), 0), *texts)
    return b"".join(parts)


def _captured(request: Request) -> int:
    return 2 if request.counts else int(request.captures)


def _read(
    outcomes: Path, sessions: Sequence[Session]
) -> tuple[dict[tuple[int, int], int], list[tuple[int, str, int]]]:
    places = [
        (number, step) for number, session in enumerate(sessions) for step in range(len(session))
    ]
    acknowledged: dict[tuple[int, int], int] = {}
    identified: list[tuple[int, str, int]] = []
    for line in outcomes.read_text().splitlines():
        kind, number, *rest = line.split()
        if kind == "request":
            acknowledged[places[int(number)]] = int(rest[0])
        else:
            identified.append((int(number), rest[0], int(rest[1])))
    return acknowledged, identified
