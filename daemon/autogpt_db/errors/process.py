"""Faults that end a process, and the exit codes that they become."""

from __future__ import annotations

from typing import ClassVar

EXIT_STOPPED = 0
EXIT_BACKUP_DAMAGED = 65  # EX_DATAERR
EXIT_UNAVAILABLE = 69  # EX_UNAVAILABLE
EXIT_BUG = 70  # EX_SOFTWARE
EXIT_RESOURCE_TAKEN = 71  # EX_OSERR
EXIT_MAINTENANCE_FAILED = 74  # EX_IOERR
EXIT_CONFIGURATION = 78  # EX_CONFIG: systemd's RestartPreventExitStatus


class AutogptDbError(Exception):
    """Anything this program can name; the message says what happened and what to do next."""

    exit_code: ClassVar[int] = EXIT_BUG


class ConfigurationError(AutogptDbError):
    """The configuration is at fault; `problems` holds one line for each fault."""

    exit_code = EXIT_CONFIGURATION

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class SchemaError(AutogptDbError):
    """The database's schema cannot be served: objects are missing, or it is newer than we are."""

    exit_code = EXIT_CONFIGURATION


class SchemaAwaitedError(SchemaError):
    """AutoGPT's migrations have yet to make the schema, or are changing it now."""


class RightsError(SchemaError):
    """Our role may not do what starting needs; nothing has been changed.

    Attributes:
        what: What is missing, as a sentence without a full stop.
        remedy: The statement that mends it.
        whose: Who may send that statement.
    """

    def __init__(self, what: str, remedy: str, *, whose: str) -> None:
        """Say what is missing.

        Args:
            what: It, as a sentence without a full stop.
            remedy: The statement that mends it.
            whose: Who may send that statement.
        """
        self.what, self.remedy, self.whose = what, remedy, whose
        super().__init__(f"{what}. As {whose}: {remedy} Nothing has been changed.")


class DatabaseUnreachableError(AutogptDbError):
    """PostgreSQL did not answer within the start-up timeout."""

    exit_code = EXIT_UNAVAILABLE


class ResourceTakenError(AutogptDbError):
    """An address or a directory that must be ours is held by another live process."""

    exit_code = EXIT_RESOURCE_TAKEN


class BackupDamagedError(AutogptDbError):
    """A backup isn't what it was when it was made, or is none."""

    exit_code = EXIT_BACKUP_DAMAGED


class MaintenanceError(AutogptDbError):
    """A backup, a restore or an upgrade of the private cluster failed; the data is as it was."""

    exit_code = EXIT_MAINTENANCE_FAILED
