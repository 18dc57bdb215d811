"""Taking from what was printed all that somebody is told to do, and doing it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from matrix.ground import Ground

_STATEMENT = re.compile(r"\b(?:(?:GRANT|ALTER|CREATE|DROP) [A-Z\"][^;\n]*|SELECT pg_\w+\(\));")
_COMMAND = re.compile(r"`autogpt-db ([a-z][a-z -]*)`")
_SHELL = re.compile(r"`(pg_dump [^`]*)`")
_OTHER_NAME = re.compile(r'name "([^"]+)" in DATABASE_URL')
_LOOKS = frozenset({"doctor", "status", "methods", "dsn", "config", "check", "jobs", "run"})


class Remedies(NamedTuple):
    """What a text tells somebody to do, in the order in which it is done.

    Attributes:
        statements: SQL, in the order it is printed.
        shell: Command lines with PostgreSQL's programs.
        server: Whether the server is to be restarted.
        pooler: Whether the pooler is to be restarted.
        name: The database to be named in DATABASE_URL; "" where it stays.
        commands: Words after the program's name.
    """

    statements: tuple[str, ...]
    shell: tuple[str, ...]
    server: bool
    pooler: bool
    name: str
    commands: tuple[tuple[str, ...], ...]

    @classmethod
    def printed_in(cls, text: str, *, meant: str = "") -> Remedies:
        """Take every remedy from what was printed.

        Args:
            text: What was printed.
            meant: What "…" in it stands for.
        """
        statements = dict.fromkeys(
            match[0].replace("…", meant)
            for match in _STATEMENT.finditer(text)
            if meant or "…" not in match[0]
        )
        commands = dict.fromkeys(tuple(match[1].split()) for match in _COMMAND.finditer(text))
        other = _OTHER_NAME.search(text)
        return cls(
            tuple(statements),
            tuple(dict.fromkeys(match[1] for match in _SHELL.finditer(text))),
            "restart the server" in text and "ALTER SYSTEM" in " ".join(statements),
            "restart the pooler" in text,
            other[1] if other else "",
            tuple(words for words in commands if words[0] not in _LOOKS),
        )


def carry_out(ground: Ground, remedies: Remedies) -> None:
    """Do what was printed, as an administrator would."""
    for statement in remedies.statements:
        # What holds in the case's own database may end an administrator's session there as well.
        elsewhere = " DATABASE " in statement[:20] or " IN DATABASE " in statement
        ground.execute(statement, elsewhere=elsewhere)
    for line in remedies.shell:
        ground.shell(line)
    if remedies.server:
        ground.restart_server()
    if remedies.pooler and ground.pooler is not None:
        ground.pooler.restart()
    if remedies.name:
        ground.name_database(remedies.name)
    for words in remedies.commands:
        done = ground.daemon.run(*words)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
