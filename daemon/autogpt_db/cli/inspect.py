"""Looking without changing: configuration, connection, schema, methods."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from autogpt_db.errors import DatabaseUnreachableError
from autogpt_db.settings.catalog import options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autogpt_db.settings import LoadedSettings, Settings


def describe_settings(loaded: LoadedSettings, *, changed: bool) -> Iterator[str]:
    """Yield every option as `path = value  # origin`, secrets masked."""
    for option in options().values():
        origin = loaded.origins.get(option.path, "default")
        if changed and origin == "default":
            continue
        value: Any = loaded.settings
        for name in option.path.split("."):
            value = getattr(value, name)
        if option.path in {"state_directory", "runtime_directory"} and value is None:
            value = getattr(loaded.settings.paths, option.path.removesuffix("_directory"))
        shown = "***" if option.secret and value is not None else value
        text = "unset" if shown is None else json.dumps(shown, default=str)
        yield f"{option.path} = {text}  # {origin}"
    yield from (f"# {notice}" for notice in loaded.notices)


def check_everything(settings: Settings) -> Iterator[str]:
    """Yield what was found in order; raise at the first fault that would keep `run` from serving.

    Nothing is changed, and an embedded server that is not running is not started.
    """
    import psycopg

    from autogpt_db.database.causes import lasting_failure
    from autogpt_db.database.encryption import encrypted_columns, verify_key
    from autogpt_db.database.hosts import connect
    from autogpt_db.database.migration import pending, unsound
    from autogpt_db.database.reasons import reason_of
    from autogpt_db.database.schema import read_catalogue
    from autogpt_db.database.session import check_encoding, check_settings, check_version
    from autogpt_db.database.url import direct_database_url
    from autogpt_db.operations.coverage import at_hand
    from autogpt_db.operations.needed import needed
    from autogpt_db.supervision.sandbox import refuse_closed_way

    yield "configuration: valid"
    yield from _describe_programs(settings)
    yield from _describe_credentials(settings)
    target = direct_database_url(settings)
    target.verify_files()
    refuse_closed_way(target)
    conninfo = target.conninfo(
        connect_timeout=settings.database.connect_timeout, application_name="autogpt-db check"
    )
    try:
        connection = connect(conninfo)
    except psycopg.OperationalError as error:
        if target.embedded:
            yield f"database: embedded, not running (its data is under {settings.paths.state})"
            return
        reason = reason_of(error, target)
        if lasting := lasting_failure(reason, target, "database.url"):
            raise lasting from None
        raise DatabaseUnreachableError(
            f"PostgreSQL at {target.address} does not answer: {reason}"
        ) from None
    with connection:
        version = connection.info.server_version
        yield f"database: PostgreSQL {version // 10000}.{version % 10000} at {target.address}"
        check_version(version, target.address)
        check_encoding(connection, "database.url")
        check_settings(connection, "database.url", pooled=target.pgbouncer)
        waiting = pending(
            connection,
            schema_name=target.schema,
            create=target.embedded or settings.database.create_tables,
            upgrade=target.embedded,
            needed=needed(),
        )
        todo = f"to be applied at start: {', '.join(waiting)}"
        yield f"schema: {todo if waiting else 'complete'}"
        ours = unsound(connection, schema_name=target.schema)
        for what in ours.mended:
            yield f"ours: {what}; the next start, or `autogpt-db migrate`, makes it anew"
        for left in ours.left:
            yield f"ours: {left.what}. {left.remedy}"
        catalogue = read_catalogue(connection, target.schema)
        if catalogue.columns:
            compared = at_hand(catalogue, target.schema)
            yield f"release: {compared.sentence}"
            for method, missing in compared.missed.items():
                yield f"not served: {method}: the database lacks {missing}"
        if settings.integrations.encryption_key is not None and encrypted_columns(
            connection, target.schema
        ):
            tried = verify_key(connection, settings, target.schema)
            found = "decrypts what users have stored" if tried else "set; nothing is stored yet"
            yield f"encryption key: {found}"


def _describe_credentials(settings: Settings) -> Iterator[str]:
    from autogpt_db.supervision.credentials import changed_credentials, changed_sentence
    from autogpt_db.supervision.status import read_status

    try:
        tree = read_status(settings.paths.runtime)
    except DatabaseUnreachableError:
        return  # none runs, or none that may be asked
    changed = changed_credentials(tree)
    if changed:
        yield changed_sentence(changed)


def _describe_programs(settings: Settings) -> Iterator[str]:
    from autogpt_db.supervision.program_files import inspect_programs

    found = inspect_programs(settings)
    names = [group.name for groups in found.groups.values() for group in groups]
    if names:
        yield f"programs: {', '.join(names)}"
    for path, fault in found.faults.items():
        yield f"programs: {path} is left out: {fault}"
