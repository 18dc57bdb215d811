"""What the command line reads the configuration with: nothing that only a database needs."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from daemon_process import clean_environment

if TYPE_CHECKING:
    from pathlib import Path

URL = "postgresql://postgres:secret@db.example/autogpt?schema=platform&sslmode=require"
HEAVY = {"asyncio", "psycopg", "structlog"}
# What is loaded when a command ends, however it does.
LOADED = """
import atexit, sys
atexit.register(lambda: print(*sys.modules, file=sys.stderr))
from autogpt_db.cli import main
main()
"""


@pytest.mark.parametrize("command", ["config", "dsn", "status", "ctl status"])
def test_a_command_that_asks_no_database_loads_no_driver(tmp_path: Path, command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, "--set", f"runtime_directory={tmp_path}", *command.split()],
        env=clean_environment() | {"DATABASE_URL": URL},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    loaded = done.stderr.split()
    assert "autogpt_db.database.url" in loaded, "the URL was read"
    assert [name for name in loaded if name in HEAVY] == []
