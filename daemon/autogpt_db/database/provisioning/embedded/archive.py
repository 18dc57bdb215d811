"""A backup on the disk: the files of pg_basebackup, and a record of what they were when made."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, BinaryIO, NamedTuple

from autogpt_db.errors import BackupDamagedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RECORD = "backup.json"
MANIFEST = "backup_manifest"
_FORMAT = 1
_BLOCK = 1024 * 1024
_LARGEST_RECORD = 1024 * 1024


class Record(NamedTuple):
    """What backup.json says.

    Attributes:
        created: When, ISO 8601, UTC.
        program: Our version.
        postgresql: The server's version, `15.18`.
        data_bytes: What the data takes when it is unpacked.
        files: Size and SHA-256 of each file of the backup.
    """

    created: str
    program: str
    postgresql: str
    data_bytes: int
    files: dict[str, tuple[int, str]]

    @property
    def major(self) -> int:
        """Return the major version that the data is for."""
        return int(self.postgresql.partition(".")[0])


def write_record(directory: Path, record: Record) -> None:
    """Write backup.json, and everything to the disk."""
    text = json.dumps({"format": _FORMAT, **record._asdict()}, indent=2) + "\n"
    (directory / RECORD).write_text(text, "utf-8")
    for path in [*directory.iterdir(), directory]:
        if path.is_file():
            path.chmod(0o600)
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read_record(directory: Path) -> Record:
    """Read backup.json.

    Raises:
        BackupDamagedError: There is none, or it makes no sense.
    """
    path = directory / RECORD
    try:
        with path.open("rb") as stream:
            content = json.loads(stream.read(_LARGEST_RECORD))
        if content.pop("format") != _FORMAT:
            raise BackupDamagedError(
                f"{directory} was made by another autogpt-db, whose backups this one cannot read. "
                "Restore it with that version."
            )
        content["files"] = {
            str(name): (int(size), str(digest)) for name, (size, digest) in content["files"].items()
        }
        record = Record(**content)
        _check(record)
    except OSError as error:
        raise BackupDamagedError(
            f"{directory} is no backup of autogpt-db: {path.name} cannot be read "
            f"({error.strerror}). A backup is the whole directory autogpt-db-…"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupDamagedError(
            f"{path} is damaged ({type(error).__name__}). Take another backup."
        ) from None
    return record


def _check(record: Record) -> None:
    """Check what a record names, before any of it is read or written."""
    if not record.major or MANIFEST not in record.files:
        raise ValueError("something is missing")
    if any(PurePosixPath(name).name != name for name in record.files):
        raise ValueError("a file would be outside of the backup")


def check_files(
    directory: Path, record: Record, progress: Callable[[int], object] = lambda _count: None
) -> None:
    """Compare each file with what it was when the backup was made.

    Args:
        directory: The backup.
        record: Its record.
        progress: Gets the bytes read since its last call.

    Raises:
        BackupDamagedError: One is missing or differs.
    """
    for name, (size, digest) in record.files.items():
        path = directory / name
        try:
            if path.stat().st_size != size:
                raise BackupDamagedError(
                    f"{path} has {path.stat().st_size} bytes, and had {size} when the backup was "
                    "made: the backup is damaged. Take another one."
                )
            found = digest_of(path, progress)
        except OSError as error:
            raise BackupDamagedError(
                f"{path} cannot be read ({error.strerror}): the backup is damaged."
            ) from None
        if found != digest:
            raise BackupDamagedError(
                f"{path} is not what it was when the backup was made (its SHA-256 differs): the "
                "backup is damaged. Take another one."
            )


def digest_of(path: Path, progress: Callable[[int], object] = lambda _count: None) -> str:
    """Return a file's SHA-256."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
            progress(len(block))
    return digest.hexdigest()


def check_manifest(directory: Path, progress: Callable[[int], object] = lambda _count: None) -> int:
    """Compare the tar file with PostgreSQL's manifest, every file by its SHA-256.

    Args:
        directory: The backup.
        progress: Gets the bytes read since its last call.

    Returns:
        The bytes that the data takes when it is unpacked, its write-ahead log included.

    Raises:
        BackupDamagedError: A file is missing or differs.
    """
    expected = _manifest(directory / MANIFEST)
    total = 0
    for name, stream, size in _members(directory, "base"):
        total += size
        wanted = expected.pop(name, None)
        if wanted is None:
            continue
        digest = hashlib.sha256()
        while block := stream.read(_BLOCK):
            digest.update(block)
            progress(len(block))
        if wanted != (size, digest.hexdigest()):
            raise BackupDamagedError(
                f"{directory}: {name} is not what PostgreSQL sent. Take another backup."
            )
    missing = [name for name in expected if not name.startswith("pg_wal/")]
    if missing:
        raise BackupDamagedError(f"{directory}: {missing[0]} is missing. Take another backup.")
    return total + sum(size for _, _, size in _members(directory, "pg_wal"))


def unpack(
    directory: Path, target: Path, progress: Callable[[int], object] = lambda _count: None
) -> None:
    """Unpack a backup into a data directory, all files for their owner only.

    Args:
        directory: The backup.
        target: An existing, empty directory.
        progress: Gets the bytes written since its last call.

    Raises:
        BackupDamagedError: It holds what no private cluster has, a link or a path that leads out.
        OSError: It cannot be written.
    """
    for part, below in (("base", target), ("pg_wal", target / "pg_wal")):
        for name, stream, _ in _members(directory, part, make_directories_below=below):
            path = below / name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with path.open("xb") as file:
                path.chmod(0o600)
                while block := stream.read(_BLOCK):
                    file.write(block)
                    progress(len(block))
    (target / MANIFEST).write_bytes((directory / MANIFEST).read_bytes())
    (target / MANIFEST).chmod(0o600)


def _members(
    directory: Path, part: str, *, make_directories_below: Path | None = None
) -> Iterator[tuple[str, IO[bytes], int]]:
    """Yield name, content and size of each file in a tar file of pg_basebackup."""
    found = [path for path in directory.glob(f"{part}.tar*") if path.suffix in {".tar", ".gz"}]
    if len(found) != 1:
        raise BackupDamagedError(f"{directory}: {part}.tar is missing. Take another backup.")
    try:
        # gzip.open, because pg_basebackup writes several gzip members in one file.
        with _opened(found[0]) as content, tarfile.open(fileobj=content, mode="r|") as archive:
            for member in archive:
                path = PurePosixPath(member.name)
                if (
                    path.is_absolute()
                    or ".." in path.parts
                    or not (member.isreg() or member.isdir())
                ):
                    raise BackupDamagedError(
                        f"{found[0]}: {member.name} has no place in a private cluster."
                    )
                if member.isdir():
                    if make_directories_below is not None:
                        folder = make_directories_below / member.name
                        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                    continue
                stream = archive.extractfile(member)
                assert stream is not None
                yield path.as_posix(), stream, member.size
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk, not the backup
        raise BackupDamagedError(f"{found[0]} is damaged ({error}). Take another backup.") from None


def _opened(path: Path) -> gzip.GzipFile | BinaryIO:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


def _manifest(path: Path) -> dict[str, tuple[int, str]]:
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
        return {
            str(file["Path"]): (int(file["Size"]), str(file["Checksum"]))
            for file in content["Files"]
            if "Path" in file
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackupDamagedError(f"{path} is damaged ({error}). Take another backup.") from None
