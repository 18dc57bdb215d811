"""What operators do wrong, and what it must say, whoever is asked."""

from __future__ import annotations

from typing import NamedTuple

URL = "postgresql://autogpt:geheim-4711@127.0.0.1:5432/autogpt?schema=platform"


class Mistake(NamedTuple):
    """One that keeps the service from starting.

    Attributes:
        says: What check, doctor and the service's log must say.
        configuration: Lines for autogpt-db.toml.
        credentials: Names and contents.
        code: The exit code of check and of the service.
        sql: What is done to the database beforehand, by its administrator.
        back: What takes that back.
        root: What root does to files beforehand, and `undo` what takes that back.
    """

    says: str
    configuration: str = ""
    credentials: tuple[tuple[str, str], ...] = ()
    code: int = 78
    sql: str = ""
    back: str = ""
    root: str = ""
    undo: str = ""


def url(before: str, after: str) -> tuple[tuple[str, str], ...]:
    assert before in URL
    return (("database_url", URL.replace(before, after)),)


MISTAKES = {
    "an option that is none": Mistake("did you mean api.port?", "[api]\nprot = 1"),
    "a section that is none": Mistake("nonsense: is not an option", "[nonsense]\nanswer = 42"),
    "a word for a number": Mistake(
        "api.processes: expected `int`, got `str` (got 'many'); expected whole number, 1 to 64",
        "[api]\nprocesses = 'many'",
    ),
    "a number out of bounds": Mistake(
        "api.port: expected `int` <= 65535 (got 70000); expected whole number, 0 to 65535",
        "[api]\nport = 70000",
    ),
    "no TOML": Mistake("is not valid TOML", "[api"),
    "a path that is relative": Mistake("Expected an absolute path".lower(), "state_directory='x'"),
    "an address for all without token": Mistake(
        "is reachable from other machines", "[api]\nhost = '0.0.0.0'"
    ),
    "a fallback to itself": Mistake(
        "is this service itself", "[api]\nfallback_url = 'http://127.0.0.1:8005'"
    ),
    "too few connections": Mistake(
        "database.connection_limit: 2 is too few", "[database]\nconnection_limit = 2"
    ),
    "a key that is none": Mistake(
        "integrations.encryption_key: is not 32 bytes",
        credentials=(("integrations_encryption_key", "secret"),),
    ),
    "the previous key alone": Mistake(
        "means nothing without encryption_key",
        credentials=(
            (
                "integrations_previous_encryption_key",
                "dvziYgz0KSK8FENhju0ZYi8-fRTfAdlz6YLhdB_jhNw=",
            ),
        ),
    ),
    "no URL": Mistake(
        "database.url: is neither a URL nor key=value text",
        credentials=(("database_url", "127.0.0.1:5432"),),
    ),
    "the wrong password": Mistake(
        'password authentication failed for user "autogpt"',
        credentials=url("geheim-4711", "another"),
    ),
    "a role that is not there": Mistake(
        'password authentication failed for user "nobody"',
        credentials=url("autogpt:", "nobody:"),
    ),
    "a database that is not there": Mistake(
        'database "elsewhere" does not exist',
        credentials=url("/autogpt?", "/elsewhere?"),
    ),
    "certificates without a file of them": Mistake(
        "/no/such.pem, which its parameter sslrootcert names (the authorities), does not exist",
        credentials=(("database_url", f"{URL}&sslmode=verify-full&sslrootcert=/no/such.pem"),),
    ),
    "TLS that the server has not": Mistake(
        "server does not support SSL",
        credentials=(("database_url", f"{URL}&sslmode=require"),),
    ),
    "quotes around the URL": Mistake(
        "database.url: begins with a quotation mark", credentials=(("database_url", f'"{URL}"'),)
    ),
    "a slash in the password": Mistake(
        "write / as %2F", credentials=url("geheim-4711", "geheim/4711")
    ),
    "a parameter that is none": Mistake(
        "a parameter that neither libpq nor Prisma knows (is sslmode meant?)",
        credentials=(("database_url", f"{URL}&sslmod=require"),),
    ),
    "an sslmode that is none": Mistake(
        "sslmode must be one of disable, allow, prefer, require, verify-ca, verify-full",
        credentials=(("database_url", f"{URL}&sslmode=yes"),),
    ),
    "verify-full without certificates": Mistake(
        "add sslrootcert=/path/to/authorities.pem",
        credentials=(("database_url", f"{URL}&sslmode=verify-full"),),
    ),
    "a role that may not log in": Mistake(
        "is not permitted to log in",
        credentials=(("database_url", URL),),
        sql="ALTER ROLE autogpt NOLOGIN",
        back="ALTER ROLE autogpt LOGIN",
    ),
    "a role that may not connect": Mistake(
        "permission denied for database",
        credentials=url("/autogpt?", "/closed?"),
        sql="REVOKE CONNECT ON DATABASE closed FROM PUBLIC",
        back="GRANT CONNECT ON DATABASE closed TO PUBLIC",
    ),
    "a role that may make no schema": Mistake(
        'may not make a schema in the database "closed"',
        credentials=url("/autogpt?", "/closed?"),
    ),
    "a database that holds not all text": Mistake(
        "is encoded in LATIN1; autogpt-db, as AutoGPT, needs UTF8",
        credentials=url("/autogpt?", "/latin?"),
    ),
    "a database that lets nobody in": Mistake(
        "not currently accepting connections", credentials=url("/autogpt?", "/template0?")
    ),
    "fewer connections than processes": Mistake(
        "the service needs 5 connections at least",
        configuration="[database]\ncreate_tables = true",
        credentials=(("database_url", URL),),
        sql="ALTER ROLE autogpt CONNECTION LIMIT 2",
        back="ALTER ROLE autogpt CONNECTION LIMIT -1",
    ),
}

ONLY_THE_SERVICE_S = {
    "a file that the service may not read": Mistake(
        "autogpt-db.toml: cannot be read: Permission denied. The account that reads it has to be "
        "let in: chmod 755 /etc/autogpt-db; chmod 644 /etc/autogpt-db/autogpt-db.toml",
        root="chmod 600 /etc/autogpt-db/autogpt-db.toml",
        undo="chmod 644 /etc/autogpt-db/autogpt-db.toml",
    ),
    "a directory of files that is root's alone": Mistake(
        "autogpt-db.toml: cannot be read: Permission denied. The account that reads it has to be "
        "let in: chmod 755 /etc/autogpt-db; chmod 644 /etc/autogpt-db/autogpt-db.toml",
        root="chmod 700 /etc/autogpt-db",
        undo="chmod 755 /etc/autogpt-db",
    ),
    "certificates in root's home": Mistake(
        "/root/provider.pem, which its parameter sslrootcert names (the authorities), cannot be "
        "read by this account: put it where that may read it, such as /etc/autogpt-db",
        credentials=(("database_url", f"{URL}&sslmode=prefer&sslrootcert=/root/provider.pem"),),
        root="cp /etc/ssl/certs/ca-certificates.crt /root/provider.pem",
        undo="rm /root/provider.pem",
    ),
}
"""What root sees nothing of, and only a check that is made as the service does."""

WAITS = {
    "a port at which nobody listens": Mistake(
        "Connection refused", credentials=url(":5432/", ":5433/"), code=69
    ),
    "a host that is none": Mistake(
        "db.invalid:5432", credentials=url("127.0.0.1", "db.invalid"), code=69
    ),
    "a database that is set to read-only": Mistake(
        "set to read-only",
        credentials=(("database_url", URL),),
        sql="ALTER DATABASE autogpt SET default_transaction_read_only = on",
        back="ALTER DATABASE autogpt RESET default_transaction_read_only",
        code=69,
    ),
    "tables that AutoGPT has still to make": Mistake(
        "AutoGPT's migrations", credentials=url("/autogpt?", "/empty?"), code=78
    ),
}
"""What may mend itself, so that a start waits for it; `code` is check's."""
