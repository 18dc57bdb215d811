"""Fixtures shared by all tests: one real PostgreSQL per test process, a fresh database per test."""

from __future__ import annotations

import compileall
import gc
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import settings

import autogpt_db
import processor_time
from autogpt_db.database.provisioning.migration import migrate
from daemon_process import DaemonProcess, hide
from once import run_directory, scratch
from postgres_server import PostgresServer, clone, unique_name
from releases.building import TABLES, ReleaseDatabases, build_as_0_1_0
from waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

# How long one example takes says more of the machine's other work than of the code.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

TESTS = Path(__file__).parent
TIME_LIMIT = os.environ.get("AUTOGPT_DB_TEST_SECONDS")
TIME_IS_UP = pytest.StashKey[float]()
CONTRACT = TESTS / "contract"


DaemonProcess.everywhere = (
    # A machine that is busy with other tests is no child that hangs.
    f"supervision.heartbeat_timeout={PATIENCE / 2:g}",
    f"supervision.ready_timeout={PATIENCE * 3 / 4:g}",
    # Each connection that no test needs is a process of PostgreSQL's that begins and ends.
    "database.pool_size=4",
)


def pytest_configure(config: pytest.Config) -> None:
    """Prepare the run: what hundreds of processes will import is compiled once, here.

    Where PYTHONDONTWRITEBYTECODE is set, as in many containers, each of them would compile it for
    itself, which takes three times as long as all else that a start does.
    """
    sys.dont_write_bytecode = False  # pytest's own: it rewrites 40,000 lines of tests
    if not hasattr(config, "workerinput"):
        compileall.compile_dir(Path(autogpt_db.__file__).parent, quiet=1)
        compileall.compile_dir(TESTS, maxlevels=0, quiet=1)
        run_directory()
    DaemonProcess.place = scratch()
    # import-linter brings it, and structlog would import it into each process: a fifth of a start,
    # and nothing that an installation has.
    DaemonProcess.hidden = (hide("rich"),)
    # What a shell starts in the background ignores it, and so would all that tests start.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if processor_time.WANTED:
        config.pluginmanager.register(processor_time.ProcessorTime())


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Spread the tests over the processes as `spreading` says, where they go by files."""
    if config.getvalue("dist") != "loadfile":
        return None
    from spreading import Spread

    return Spread(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Find the tests without looking for garbage, then or ever, in what is kept until the end.

    That is a million objects, and to go through them took as long as to make them.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begin no test after the time that `make quick` has; it counts from a process's first one.

    To find the tests takes a busy machine longer than that, and a run of none says nothing.
    """
    now = time.monotonic()
    if TIME_LIMIT and now > item.config.stash.setdefault(TIME_IS_UP, now + float(TIME_LIMIT)):
        pytest.skip(f"{TIME_LIMIT} s are over: make test")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """Run a server for the whole session of this test process."""
    with PostgresServer(shared=True) as server:
        yield server


@pytest.fixture(scope="session")
def migrated_template(postgres_server: PostgresServer) -> str:
    """Make a database with AutoGPT's tables as we make them, and with what is ours."""
    name = unique_name("template")
    with psycopg.connect(clone(postgres_server, None, name), autocommit=True) as connection:
        build_as_0_1_0(connection)
        migrate(connection, schema_name="platform", upgrade=TABLES != "v0.6.48")
    return name


@pytest.fixture(scope="session")
def seeded_template(postgres_server: PostgresServer) -> str:
    """Make a migrated database with the rows that the recorded calls start from."""
    name = unique_name("seeded")
    with psycopg.connect(clone(postgres_server, None, name), autocommit=True) as connection:
        build_as_0_1_0(connection)
        seed = (CONTRACT / "seed.sql").read_bytes()
        connection.execute("SELECT set_config('search_path', 'platform', false)")
        if not _has_vector(connection):
            lines = seed.splitlines()
            seed = b"\n".join(line for line in lines if b"UnifiedContentEmbedding" not in line)
        connection.execute(seed)
        migrate(connection, schema_name="platform", upgrade=TABLES != "v0.6.48")
    return name


@pytest.fixture
def empty_database(postgres_server: PostgresServer) -> Iterator[str]:
    """Yield the URL of a database with nothing in it."""
    yield from _database(postgres_server, None)


@pytest.fixture
def database_url(postgres_server: PostgresServer, migrated_template: str) -> Iterator[str]:
    """Yield the URL of a fresh migrated database; AutoGPT's schema is `platform`."""
    yield from _database(postgres_server, migrated_template)


@pytest.fixture(scope="module")
def database_url_for_module(
    postgres_server: PostgresServer, migrated_template: str
) -> Iterator[str]:
    """Yield one migrated database for all tests of a module."""
    yield from _database(postgres_server, migrated_template)


@pytest.fixture
def seeded_database_url(postgres_server: PostgresServer, seeded_template: str) -> Iterator[str]:
    """Yield the URL of a fresh database with the contract's rows."""
    yield from _database(postgres_server, seeded_template)


@pytest.fixture(scope="module")
def seeded_database_url_for_module(
    postgres_server: PostgresServer, seeded_template: str
) -> Iterator[str]:
    """Yield one database with the contract's rows for all tests of a module."""
    yield from _database(postgres_server, seeded_template)


@pytest.fixture(scope="session")
def releases(postgres_server: PostgresServer) -> ReleaseDatabases:
    """Return the templates of AutoGPT's releases on this process's server."""
    return ReleaseDatabases(postgres_server)


@pytest.fixture(scope="module")
def later_database_url_for_module(releases: ReleaseDatabases) -> Iterator[str]:
    """Yield one database of AutoGPT v0.6.68, which has chats, with rows for all of a module."""
    url = releases.fresh("v0.6.68", seeded=True, ours=True)
    yield url
    releases.drop(url)


@pytest.fixture
def release_database(releases: ReleaseDatabases) -> Iterator[Callable[..., str]]:
    """Yield what makes databases in a release's state: `release_database("v0.6.68")` is a URL.

    With `seeded=True` it holds the rows that the release's recorded calls start from, with
    `ours=True` what our own migrations make.
    """
    made: list[str] = []

    def fresh(state: str, *, seeded: bool = False, ours: bool = False) -> str:
        made.append(releases.fresh(state, seeded=seeded, ours=ours))
        return made[-1]

    yield fresh
    for url in made:
        releases.drop(url)


@pytest.fixture(scope="module")
def witness_database_url(releases: ReleaseDatabases) -> Iterator[str]:
    """Yield AutoGPT's own database of v0.6.48 with the rows that its answers were recorded on."""
    url = releases.fresh("v0.6.48", seeded=True, ours=True)
    yield url
    releases.drop(url)


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """Yield a server of this test's own, to stop and start."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def own_database_url(own_server: PostgresServer) -> str:
    """Return the URL of an empty database on the test's own server."""
    return clone(own_server, None, "own")


def _database(server: PostgresServer, template: str | None) -> Iterator[str]:
    name = unique_name("test")
    yield clone(server, template, name)
    server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _has_vector(connection: psycopg.Connection[tuple[object, ...]]) -> bool:
    row = connection.execute("SELECT to_regtype('vector') IS NOT NULL").fetchone()
    return bool(row and row[0])
