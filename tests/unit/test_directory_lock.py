"""A directory of the daemon's belongs to one live daemon."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from autogpt_db.cli.inspect import check_everything
from autogpt_db.database.provisioning.directory_lock import DirectoryLock
from autogpt_db.errors import ConfigurationError, ResourceTakenError
from autogpt_db.settings import load_settings
from autogpt_db.supervision import unit
from unprivileged import as_nobody

NEEDED_BY_CHECK = (
    "cli.connecting",
    "database.provisioning.manager",
    "database.reasons",
    "database.url",
    "listening",
    "supervision.sandbox",
)
"""Imported where they are used; root's home, where this may stand, is closed to others."""

# Holds the lock, says so, and waits for its standard input to end.
HOLDER = """
import subprocess, sys
from pathlib import Path
from autogpt_db.database.provisioning.directory_lock import DirectoryLock
with DirectoryLock(Path(sys.argv[1])):
    child = subprocess.Popen(["sleep", "60"], close_fds=False)
    print(child.pid, flush=True)
    sys.stdin.read()
    child.kill()
"""


def test_it_is_made_held_with_our_pid_and_taken_again_after_leaving(tmp_path: Path) -> None:
    state = tmp_path / "var" / "lib" / "daemon"
    for _ in range(2):
        with DirectoryLock(state):
            assert (state / "lock").read_text() == f"{os.getpid()}\n"
    passable = 0o711 if os.geteuid() == 0 else 0o700
    assert [one.stat().st_mode & 0o777 for one in (state, state.parent)] == [passable] * 2


def test_a_strict_umask_does_not_lock_the_embedded_account_out(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        with DirectoryLock(tmp_path / "state"):
            pass
    finally:
        os.umask(before)
    expected = 0o711 if os.geteuid() == 0 else 0o700
    assert (tmp_path / "state").stat().st_mode & 0o777 == expected


def test_a_directory_that_exists_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    with DirectoryLock(tmp_path):
        assert tmp_path.stat().st_mode & 0o777 == 0o750


def test_a_second_daemon_is_told_who_holds_it_until_that_one_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        child = int(holder.stdout.readline())
        try:
            with pytest.raises(ResourceTakenError) as refused, DirectoryLock(tmp_path):
                pass
            assert str(tmp_path) in str(refused.value)
            assert f"pid {holder.pid}" in str(refused.value)
            assert "state_directory" in str(refused.value)
            assert refused.value.exit_code == 71

            # Killed as hard as can be, with a child left that got every descriptor it could.
            holder.kill()
            holder.wait()
            assert Path(f"/proc/{child}").exists()
            with DirectoryLock(tmp_path):
                assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
        finally:
            os.kill(child, 9)


@pytest.mark.parametrize("option", ["state_directory", "runtime_directory"])
def test_the_directory_that_is_meant_is_named(tmp_path: Path, option: str) -> None:
    words = option.replace("_", " ")
    with DirectoryLock(tmp_path), pytest.raises(ResourceTakenError) as refused:
        DirectoryLock(tmp_path, option).__enter__()
    assert str(refused.value).startswith(f"The {words} {tmp_path} is held by another")
    assert str(refused.value).endswith(f"of its own: {option}.")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=f"^{option}: .*or set {option} to one"):
        DirectoryLock(tmp_path / "file" / "below", option).__enter__()


def test_a_directory_that_cannot_be_made_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"state_directory.*Not a directory"):
        DirectoryLock(tmp_path / "file" / "state").__enter__()


def test_a_link_in_the_locks_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "precious")
    with pytest.raises(ConfigurationError, match="state_directory"):
        DirectoryLock(tmp_path).__enter__()
    assert not (tmp_path / "precious").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who may write everywhere")
@pytest.mark.parametrize("place", ["/usr", "/usr/none/such", "a closed one"])
def test_a_check_says_of_one_that_cannot_be_used_what_a_start_does(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unit, "_PLACES", ())  # a unit would make them
    tmp_path.chmod(0o700)
    directory = tmp_path / "state" if place == "a closed one" else Path(place)
    assignments = [f"state_directory={directory}", "runtime_directory=/tmp/none-such"]
    settings = load_settings(environment={}, assignments=assignments).settings
    for name in NEEDED_BY_CHECK:
        import_module(f"autogpt_db.{name}")
    told = as_nobody(lambda: list(check_everything(settings)))
    assert told.startswith(f"ConfigurationError: state_directory: {directory} cannot be used: ")
    assert told == as_nobody(lambda: DirectoryLock(directory).__enter__())
